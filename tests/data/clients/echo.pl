# A bot that prints whatever its users write, in the ways that bots do. It needs no library.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;

$| = 1;
binmode STDOUT, ":utf8";
my $json = JSON::PP->new->utf8;
my $text_of = JSON::PP->new->canonical;
my $url = "$ENV{API}/bot$ENV{BOT_TOKEN}/getUpdates?timeout=5&offset=";
for (my $offset = 0 ; ; ) {
    my $answer = HTTP::Tiny->new->get($url . $offset);
    for my $update (@{ $json->decode($answer->{content})->{result} }) {
        $offset = $update->{update_id} + 1;
        my $text = $update->{message}{text};
        if ($text eq "/end") { print "END\n"; exit 0 }
        print $text_of->encode({ user => 42, text => $text }), "\n";
        print "user 42 writes:\n$text\n";
    }
}
