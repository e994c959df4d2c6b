"""No secret leaves a string, and what helps an operator stays in it."""

import base64
import json
import random
import re
from urllib.parse import quote, quote_plus

import pytest

from logrules.core.redact import Redactor, secrets_in

SECRET = "A" * 35
TOKEN = f"123456:{SECRET}"
KEY = "0123456789abcdef" * 2

FORMS = {
    "httpx": (
        f'HTTP Request: POST https://api.telegram.org/bot{TOKEN}/getUpdates "HTTP/1.1 200 OK"',
        'HTTP Request: POST https://api.telegram.org/bot123456:***/getUpdates "HTTP/1.1 200 OK"',
    ),
    "rejected": (f"The token `{TOKEN}` was rejected", "The token `123456:***` was rejected"),
    "quoted colon": (f"/bot{TOKEN.replace(':', '%3A')}/getMe", "/bot123456%3A***/getMe"),
    "token in a repr": (f"Bot[token={TOKEN}]", "Bot[token=123456:***]"),
    "url": ("postgresql+asyncpg://bob:pw@db:5432/x", "postgresql+asyncpg://bob:***@db:5432/x"),
    "url, as if ours": ("postgresql://USER:PASSWORD@HOSTING/x", "postgresql://USER:***@HOSTING/x"),
    "url, no user": ("redis://:pw@cache:6379/0", "redis://:***@cache:6379/0"),
    "url, raw @ and /": ("postgres://bob:p@s/w@db:5432/x", "postgres://bob:***@db:5432/x"),
    "web address": ("https://bob:pw@host/p?mail=a@b.c", "https://bob:***@host/p?mail=a@b.c"),
    "dsn": (f"https://{KEY}@o1.ingest.sentry.io/5", "https://***@o1.ingest.sentry.io/5"),
    "old dsn": (f"https://{KEY}:{KEY}@sentry.io/5", "https://***:***@sentry.io/5"),
    "conninfo": ("host=db password=pw user=bob", "host=db password=*** user=bob"),
    "comma inside": ("(password=a,b;c, user=bob)", "(password=***, user=bob)"),
    "key values without spaces": ("password=ab,user=bob", "password=***,user=bob"),
    "query": ("/x?access_token=abc&user=bob", "/x?access_token=***&user=bob"),
    "environment": ("BOT_TOKEN=abc LOCK_KEY=55", "BOT_TOKEN=*** LOCK_KEY=55"),
    "password with a digit": ("password: hunter2 for bob", "password: *** for bob"),
    "yaml": ("password: hunter2\nuser: bob", "password: ***\nuser: bob"),
    "json": ('{"api_key": "x y", "user": "bob"}', '{"api_key": "***", "user": "bob"}'),
    "json in json": (r"{\"password\":\"x y\",\"a\":1}", r"{\"password\":\"***\",\"a\":1}"),
    "repr": ("{'password': b'it\\'s', 'a': 1}", "{'password': b'***', 'a': 1}"),
    "quote left open": ("password='it is cut he", "password='***"),
    "authorization": ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    "header pair": ("[('authorization', 'Basic Ym9i')]", "[('authorization', 'Basic ***')]"),
    "bearer": (f"sent Bearer {KEY}", "sent Bearer ***"),
    "render": ("key rnd_abcdefghij0123456789XY", "key rnd_***"),
    "jwt": (f"got eyJ{KEY}.eyJ{KEY}.{KEY} from", "got eyJ*** from"),
    "pem": (
        "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
    ),
}


@pytest.mark.parametrize(("text", "shown"), FORMS.values(), ids=FORMS)
def test_hides_by_form(text, shown):
    """A secret that nobody registered is hidden by its form; all around it stays."""
    assert shown == Redactor()(text)


KEPT = [
    "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    "2026-01-15 08:29:41,511 - telegram.ext - ERROR - Conflict: terminated by other getUpdates request",
    'FATAL: password authentication failed for user "bob"',
    "Invalid token: expired; Token: rejected",
    "token=None password='' secret=null",
    "PostgreSQL advisory lock acquired: key=1234567890123, max_tokens: 10, tokens=5",
    "http://localhost:5432/a@b https://t.me/Botfather https://user@host/x",
    "update 123456:short order 1409",
    "Or set a new password: change it with ALTER USER; пароль: смените",
    "Webhook удалён",
]


@pytest.mark.parametrize("text", KEPT)
def test_leaves_ordinary_text_alone(text):
    """Words about secrets, ports, times and lock keys are no secrets."""
    assert text == Redactor([TOKEN, "postgres://bob:hunter22@db/x"])(text)


NASTY = 'p@s/s "w" \\ пароль\n'


@pytest.mark.parametrize(
    "shape",
    [
        str,
        repr,
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        quote,
        lambda s: quote(s, safe=""),
        lambda s: re.sub("%..", lambda hexed: hexed[0].lower(), quote(s, safe="")),
        quote_plus,
        *(lambda s, n=n: base64.b64encode(b"u" * n + s.encode() + b":x").decode() for n in range(4)),
        lambda s: base64.urlsafe_b64encode(b"user:" + s.encode()).decode(),
    ],
)
@pytest.mark.parametrize("secret", ["s3cr3t-Passw0rd!", NASTY.strip(), "длинный пароль"])
def test_hides_by_value_in_every_shape(secret, shape):
    """A registered secret is hidden as it is and as URL, JSON, repr and base64 write it."""
    shaped = shape(secret)
    shown = Redactor([secret])(f"seen {shaped} here")

    assert "***" in shown
    assert shaped.strip("'\"")[4:-6] not in shown


@pytest.mark.parametrize(
    ("registered", "leaked", "kept"),
    [
        (TOKEN, SECRET, "123456"),
        ("postgres://bob:hunter22@db.host/x", "hunter22", "bob db.host"),
        ("postgres://bob:h%40nter22@db.host/x", "h@nter22", "bob"),
        ("https://abcdefg@sentry.local/1", "abcdefg", "sentry.local"),
        ("77:SHORTSECRET", "SHORTSECRET", "77"),
    ],
)
def test_registers_only_the_secret_part(registered, leaked, kept):
    """Of a token, a URL or a DSN only the secret part is hidden; the bot's id, user and host stay."""
    redact = Redactor([registered])

    assert redact(f"{leaked} x") == "*** x"
    assert kept == redact(kept)


@pytest.mark.parametrize(
    "secret", ["", "a", "12345", "postgres", "Password", "postgres://app_user:app_user@h/x"]
)
def test_a_short_or_common_secret_does_not_mangle_text(secret):
    """What is too short or too common is hidden by form alone, so that the text stays readable."""
    text = "a line about postgres, app_user and password 12345"

    assert text == Redactor([secret])(text)


def test_short_passwords_are_hidden_by_form():
    """A short password stays hidden where passwords stand."""
    assert Redactor(["a1"])("postgres://bob:a1@h/x password=a1") == "postgres://bob:***@h/x password=***"


def test_the_longest_secret_wins():
    """A secret that contains another one leaves no rest behind."""
    assert Redactor(["abcdef", "abcdefghij"])("abcdefghij abcdef") == "*** ***"


def test_learns_later():
    """What is added later is hidden from then on."""
    redact = Redactor()
    assert redact("hunter22") == "hunter22"
    redact.add("hunter22")

    assert redact("hunter22") == "***"


def test_address_of_a_webhook_is_its_password():
    """What is long in a webhook's address opens it; its host and the words of its path are no secret."""
    environ = {
        "LOGRULES_ALERT_WEBHOOK": "https://hooks.example.org/services/T01/B0123456789abcdefghijk?key="
        + "k" * 24,
        "LOGRULES_WEBHOOK": "delete",
        "BOT_PAGE": "https://example.org/" + "p" * 30,
    }

    assert secrets_in(environ) == ["B0123456789abcdefghijk", "k" * 24]


def test_secrets_in_an_environment():
    """Tokens and passwords are found inside any value, the rest by the names that people give to secrets."""
    environ = {
        "ANYTHING": f"x {TOKEN}",
        "DATABASE_URL": "postgres://bob:hunt%21er@db/x",
        "SENTRY_DSN": f"https://{KEY}@o1.ingest.sentry.io/5",
        "REDIS_URL": "redis://:cachepass@h",
        "OPENAI_API_KEY": "value-of-key",
        "PGPASSWORD": "value-of-pg",
        "REPLICA": "host=db password='value of conninfo' user=bob",
        "USER_SESSION": "value-of-session",
        "APP_SECRET": "value-of-secret",
        "PWD": "/srv/app/bot",
        "LOCK_KEY": "7",
        "HOME": "/home/bob",
        "KEYBOARD": "qwertyuiop",
        "EMPTY_TOKEN": "",
    }
    expected = [
        SECRET,
        "hunt%21er",
        "hunt!er",
        KEY,
        "cachepass",
        "value-of-key",
        "value-of-pg",
        "value of conninfo",
        "value-of-session",
        "value-of-secret",
    ]

    assert expected == secrets_in(environ)


PIECES = [
    TOKEN,
    "hunter22",
    "password",
    "token",
    "=",
    ":",
    "'",
    '"',
    "\\",
    "://",
    "@",
    "/",
    "u",
    " ",
    "\n",
    ",",
    "***",
]
PIECES += [
    "Bearer ",
    "Authorization",
    KEY,
    "rnd_",
    "123456:",
    "http",
    "%3A",
    "é",
    "\ud800",
    "\0",
    "None",
    "]",
]


def test_twice_is_once_and_no_registered_secret_survives():
    """Over random mixtures of what the patterns look for: idempotent, and no registered secret is left."""
    redact = Redactor([TOKEN, "hunter22", KEY])
    dice = random.Random(409)
    for _ in range(5000):
        text = "".join(dice.choices(PIECES, k=dice.randint(1, 14)))
        shown = redact(text)

        assert shown == redact(shown), text
        assert not [secret for secret in (SECRET, "hunter22", KEY) if secret in shown], text


BEFORE = ["", '"', "'", "x", "\\", "(", "_", "-", "1", " ", "://u", "token "]
NAMES = "passwd Password PASSPHRASE pwd private_key privatekey secret Sentry_Key TOKEN api-key access_key"
NAMES += " paſſphraſe paſſphraſe toKen Authorization AUTHORIZATION bearer BASIC my_token key eyJ xoxa- xoxp-"
NAMES += " rnd_ ghp_ ghu_ ghr_ glpat- sk- sntrys_ sntryu_ -----BEGIN~PRIVATE~KEY----- hunter22"
NAMES += " github_pat_" * 3 + " 1234567" * 6
BETWEEN = "|=|:| = |: |\t:\t|\\'=|\\\":|' : |\":\"|, |','| |':b'|;|:|%3A|@|\n"
VALUES = "|abc|'a b|\"x y|hunter2|None|***|5|//x|[1|\\x|change it|hunter22|Basic Ym9iOg==|длинный пароль"
LONG = [f"Bearer {KEY}", KEY, KEY, "aB3-" * 5, "aB3_" * 8, NASTY.strip()]


def test_what_shows_no_sign_would_not_be_changed():
    """A text is only looked through where a part of every form or value is found: nothing is missed by that.

    An `@` before it is such a sign, and has no other effect there.
    """
    redactors = Redactor(), Redactor([TOKEN, "hunter22", KEY]), Redactor(["длинный пароль", NASTY.strip()])
    parts = BEFORE, NAMES.split(), BETWEEN.split("|"), [*VALUES.split("|"), *LONG], BEFORE
    dice = random.Random(409)
    left = 0
    for _ in range(10_000):
        text = "".join(map(dice.choice, parts)).replace("~", " ")
        redact = dice.choice(redactors)
        left += redact.signs.search(text) is None

        assert redact.hide(text) == redact.hide(f"@\n{text}")[2:], text
    assert left > 1000


HOSTILE = [
    "1",
    "123456:",
    "://a:",
    "://a:b",
    "http://a:",
    "://a:@",
    "password=",
    'password="',
    'token=\\"',
    "token\\\\",
]
HOSTILE += [
    "eyJ",
    "bearer ",
    "a",
    "password ",
    "authorization:",
    "-----BEGIN PRIVATE KEY-----",
    "token=a,",
    "token=,",
]
HOSTILE += ["://a:b/token='", "://aaaaaaaaaaaaaaaaaaaa:", "\\", "sk-", "hunter2", "\0", "\ud800"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_half_a_megabyte_of_bait_is_no_trap(piece):
    """Text made of beginnings costs linear time (squared, this test would run for hours)."""
    shown = Redactor(["hunter22"])((piece * 500_000)[:500_000] + "@ hunter22")

    assert "hunter22" not in shown
