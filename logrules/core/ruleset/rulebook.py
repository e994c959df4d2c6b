"""The rulebook: patterns over the codes, and which of them a record states.

One scan finds the literals that patterns cannot do without; only then is a pattern tried, on the statements
of the grown record, at their start. In one record the exact cause wins.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.literals.digits import tells
from logrules.core.literals.scanner import Literal, Store
from logrules.core.literals.search import Hit, Search
from logrules.core.literals.shelf import Shelf, Wanted, packed
from logrules.core.model import Form, Severity, Sign
from logrules.core.reading.dispatch import Chooser, Shape, chooser
from logrules.core.reading.looks import rank
from logrules.core.ruleset.needs import Need, needs
from logrules.core.ruleset.own import is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from logrules.core.reading.statements import Parsed, Statement
    from logrules.core.ruleset.codes import Code
    from logrules.core.ruleset.patterns import Pattern

_LEAD_IN = re.compile(
    r"""
    [^\w\s"'`«»“”„‘’<>(){}\[\]【】=:.,/\\|&$\#@%+~?;^_-]+\s*                # emoji, !!!, ***
  | (?:ℹ|[0-9]\ufe0f?\u20e3)\ufe0f?\s*                                    # …, those that pass for letters
  | 【[^】\n]{1,20}】\s*(?:[a-z_]\w{0,30}:\s+)?                            # 【系統】
  | \[[^\w\s"'`<>(){}\[\]=:.,/\\|&$\#%?;^_-]{1,3}\]\s*|\[[x-]\]\s*|[=-]>\s+     # [+], [!], [❌]
  | \[\d{1,3}/\d{1,3}\]\s*|\[(?:pid\ )?\d{4,7}\]\s*                           # [1/5], [pid 4312]
  | (?:__main__|[a-z_]\w*(?:\.[A-Za-z_]\w*)+)\ -\ |__main__:\ +                # a logger, its stamp cut off
  | \[(?:[A-Z][A-Z0-9_ -]{0,30}|-|[\w.-]+=[^\]\s]{0,64})\]\s*             # [LOCK], [-], [corr=45d7]
  | (?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*(?:\[\w+\])?:\s+                       # telegram.error.Conflict:
  | [A-Z]\w*(?:Error|Exception|Warning|Failure|Refused|Timeout|Conflict|TimedOut|BadRequest|Forbidden)
    (?:\[\w+\])?:\s+
  | (?:Error|error|ERROR|FATAL|Fatal|fatal|WARNING|Warning|CRITICAL|Critical|PANIC|panic|Exception|psql):\s+
  | \([A-Za-z_][\w.]*(?:Error|Exception|Failure)\)\s+                     # (psycopg2.OperationalError)
  | (?:Unhandled\ (?:promise\ )?rejection|Uncaught(?:\ Exception)?|uncaughtException):?\s+
  | \(node:\d+\)\s+
  | [-=]{3,40}\s+(?=\w)                                                   # a ruler
  | \((?:\d{1,3}/\d{1,3}|!)\)\s+                                           # (1/5), (!)
  | (?:[Ss]tep|STEP|[Ss]tage|[Pp]hase|Шаг|Этап)\ \d{1,2}(?:/\d{1,2})?(?::|\.|\)|\ [-–—|])\s+
  | (?:[A-Za-z_]\w{0,40}(?:\.|::|->|\#)){0,4}[A-Za-z_]\w{0,40}\(\)(?::|\ [-–—|>])\s+  # start_bot():
  | (?:[A-Za-z_]\w{0,40}::){1,4}[A-Za-z_]\w{0,40}(?:\(\))?(?::|\ [-–—|>])?\s+        # Bot::start
  | [\w./\\-]{1,120}\.(?:py|[cm]?[jt]s|go|rs|rb|php|kt|java|cs):\d{1,6}(?::\d{1,4})?(?::|\ [-–—|>])?\ (?!\ )
  | (?:main|app|server|worker|polling|poller|startup|db|database|redis|index|core|scheduler|monitor|updater
    |launcher|runner|bootstrap|(?:tg|telegram|discord)[-_]?bot):\s+
  | [a-z]{2,20}(?:[A-Z][a-z]{1,20}){1,4}(?::|\ [-–—|])\s+                     # startBot -
  | [A-Z]\w{0,40}(?:(?<=[a-z])|(?<=[A-Z]{2}))(?:Bot|Manager|Service|Handler|Client|Server|Worker|Updater
    |Poller|Provider|Controller|Connection|Listener|Engine|Runner|Factory|Pool|Adapter|Plugin|Processor|Scheduler
    |Dispatcher|Monitor|Gateway|Supervisor|Repository|Database|Api|API)(?::|\ [-–—|>])\s+  # BotManager:
  | Exception\ in\ thread\ "?[\w-]+"?:?\s+
    """,
    re.VERBOSE,
)
"""What may stand before the words without making them somebody's quotation."""
_FAILED = r"""
    (?:(?![^\n:：]{0,60}(?:用户|消息|收到|说))(?=[^\W\d])[^\n:：=<>"'`“]{0,60}
      (?:错误|失败|异常|出错|报错)[^\n:：<>"'`“]{0,20}[:：]\s*                           # Chinese
    |(?:[^\W\d][\w()/.-]*\ (?:[\w()/.-]+\ ){0,5})?
    (?:Error|error|ERROR|[Ee]rr|[Ff]ailed|FAILED|[Ff]ailure|[Ee]xception|EXCEPTION|[Uu]nable|went\ wrong
    |[Cc]ould\ not|Couldn't|[Cc]annot|Can't|[Cc]rashed|[Оо]шибка|[Нн]е\ удал(?:ось|ся|ась|ись)|[Сс]бой
    |not\ available|[Пп]омилка|[Нн]е\ вдалося|[Ff]allo|[Ff]alha|[Ee]rro|[Ee]rreur|[Ff]ehler|[Hh]ata(?:sı)?
    |[Gg]agal|[Ee]rrore|[Ee]xcepción|[Ee]xceção|[Ee]ccezione|[Ии]сключение|[Bb]łąd|[Cc]hyba|[Xx]atolik|[Ll]ỗi|[Kk]esalahan|خطأ|خطا|エラー|오류|σφάλμα)
    (?:[\ ,][^:"'«“`\n]{1,90}?)?(?:\ ?:|\ [-–—](?!-))\s+)
"""
_WHY = re.compile(
    rf"""
    (?={_FAILED})  # few do
    (?![^:\n]{{0,90}}\b(?:understand|pars(?:e|ing)|recogni[sz]e|interpret|translate)\b)  # then it quotes
    (?!(?i:what|how|why|when|where|if|is|does|did|see|fix(?:e[sd])?|closes|revert|i|my|we|you|your|she|he|this
      |that|it|the\ error)\b)                                                          # then it is spoken of
    {_FAILED}
    """,
    re.VERBOSE,
)
"""What failed, said before the words that say why; looked at where nothing more exact stands there."""
_FIRST = {
    # An exception's class, whatever its name; before a known one, the label of him who printed the stack.
    Form.TRACEBACK: re.compile(
        r"[A-Za-z_][\w.]*(?:\[\w+\])?:\s+"
        r"|[^\W\d][^\n:\"'`«“]{0,60}? (?=(?:[A-Z]\w{0,60})?Error(?: \[\w+\])?: )"
    ),
    # A logger of one word, which no head can tell from a message; but some words announce somebody's own.
    Form.LOG: re.compile(
        r"(?!(?i:received|got|sent|said|says|wrote|message|msg|text|caption|content|body|data|input|query|prompt"
        r"|question|answer|reply|response|user|from|chat|command|update|quote)\w{0,2}:)"
        r"(?:(?:[a-z_]\w*|[A-Z][A-Z0-9_]{3,30}|Bot|Main|App|Server|Telegram|Discord|Database|DB|Redis|Polling"
        r"|Webhook|Startup|(?i:account|acc|session|worker|shard|thread|task|instance|process|proxy|node)"
        r"[ _#-]{0,2}\d{1,6}):\s+|\#\d{1,4}:?\s+|\(\d{1,4}\)\s+)"
        # What a Go program was at, as fmt.Errorf puts it before the cause: "get user: query: …"
        r"|(?:(?:(?:add|begin|check|commit|connect|count|create|delete|dial|enqueue|exec|execute|fetch|find|flush"
        r"|get|init|initiali[sz]e|insert|list|load|lock|lookup|migrate|open|persist|ping|process|publish|query"
        r"|read|register|remove|retrieve|run|save|scan|select|set|setup|start|store|sync|update|upsert|write"
        r"|(?!say|ask|tell|writ|typ|post|repl|send|chat|talk|receiv|forward|quot|answer)[a-z]{2,15}ing)"
        r"(?: (?!(?i:message|msg|text|caption|content|body|data|input|prompt|question|answer|reply|response"
        r"|chat|quote|comment)s?\b)[\w`./()-]{1,30}){1,6}|[a-z]\w{0,30}\.[A-Z]\w{1,40}):\s+){1,3}"
    ),
}
"""What may stand first in statements of these forms, and only there."""
_SPOKEN_OF = re.compile(
    r"-(?!-|>|\w*sh: )|\+(?!-)|#|//|[*•·] |\d{1,3}[.)] |<!--|[0-9a-f]{7,40} (?! )"
    r"|[A-Za-z_][\w.]{0,80} = "  # code
    r"|[A-Z]\w{0,80}: (?:typing\.|t\.)?(?:Final|ClassVar|Type|type(?! object )|Literal)\b"
    r"|@?(?:echo|print|printf|puts|throw|return|export|const|let|var|def|REM) "
    r"|[A-Z][A-Z0-9_]{2,80}(?:,\d{3}[, ]|\t)"  # a table of errors
    r"|[^\n]{0,400}(?:\"{3}|'{3})(?:\n|$)"  # a docstring's end
)
"""How lines begin in which words are only listed, changed or commented: bullets, diffs, source code."""
_TOLD = re.compile(
    r"""
    \b(?i:(?<!telegram\ )(?<!server\ )says?|said|wrote|writes|asks?|asked|tells|told|thinks?|thought|knows?
      |complain\w*|anybody|anyone|somebody|someone
      |(?:understand|pars(?:e|ing))\ (?:the\ |a\ )?(?:message|text|input)
      |пиш[еу]т|написал\w?|сказал\w?|говор[ия]т|спро?с\w+)\b|[说問问][:：]|收到
    """,
    re.VERBOSE,
)
"""Words of him who tells what others said: not his are the words behind them."""
_DUMPED = re.compile(r"[{('\"]")
"""Where a lead-in begins to show an update, in which anybody may have said anything."""
_FIELD = (
    r"(?:service|logger|module|component|context|ctx|label|pid|tid|thread|host|hostname|instance|version|env"
    r"|attempts?|retry|retries|try|delay|trace_?[iI]d|span_?[iI]d|timestamp|time|ts|caller|file|line|lineno"
    r"|func|function|filename|bot|bot_?[iI]d|shard|shard_?[iI]d|worker)"
)
"""What loggers add that says neither of whom nor of what a line speaks, as a user or a path does."""
_VALUE = r"""(?:"[^"\n]*+"|'[^'\n]*+'|[^\s"',;{}]++)"""
_TAIL = re.compile(
    rf"""
    (?:
      [\[(](?: [a-z_]\w*+(?:\.\w++)++(?::\w++){{0,2}}+                              # [bot.main]
          | [\w/\\-]++\.[a-z]{{2,4}}:\d++(?::\d++)?                               # (main.py:42)
          | (?i:attempt|try|retry|попытка|intento|tentativa)\ ?\#?\d++(?:\ ?(?:/|of|из|de)\ ?\d++)?
          | \d{{1,4}}/\d{{1,4}} | \d++(?:\.\d++)?\ ?m?s | x\d++ )[\])]                  # (1/5), (12 ms), (x3)
    | (?:\|\ )?{_FIELD}={_VALUE}                                                  # attempt=3
    | \{{\s?(?:["']?{_FIELD}["']?\s?:\s?{_VALUE},?\s?)++\}}                         # {{"service": "bot"}}
    | \+\d++m?s                                                               # debug's +3ms
    | [,.;:!…–—-]\s?(?i:(?:will\ |now\ )?(?:re-?try|retri|re-?connecting|trying\ again|waiting\ \d
      |sleeping)|повтор|переподключ|жд[уеё]м|через\ \d)[^\n"<>{{}}?]*+          # - retrying in 5s
    )$""",
    re.VERBOSE,
)
"""What loggers and authors put behind the words without making them mean another thing."""
_AHEAD = 300
"""Letters of a statement in which words are looked for that only a library says."""
_TAILS, _REACH = 6, 200
"""How many of them are looked for, and in how many letters each."""
_PARTS = 9
_SHORT, _RECENT, _KINDS = 512, 512, 2048
"""Characters of what a record states that is remembered, and how many are; and how many kinds of lines."""
_LOUDEST = Severity.CRITICAL.rank
_ONCE, _OPEN = "met once", "its digits may decide"


Pair = tuple[int, int]
Words = tuple[Form, str]


class Found(NamedTuple):
    """A pattern that a record states, where, and by which of its expressions."""

    pattern: Pattern
    statement: Statement
    choice: int


class Rulebook:
    """Codes, and the patterns that recognise them. Immutable, and safe to share between threads.

    `derive` says what expressions need, when it is first asked for: a second for all that we ship. `store`
    keeps what is compiled of that.
    """

    def __init__(
        self,
        codes: Mapping[str, Code],
        patterns: Iterable[Pattern],
        derive: Callable[[Sequence[str]], list[Need]] = needs,
        store: Store | None = None,
    ) -> None:
        self.codes = codes
        self.patterns = tuple(patterns)
        self._derive, self._store = derive, store
        leads = dict.fromkeys(lead for pattern in self.patterns for lead in pattern.lead)
        self._lead = re.compile("|".join(f"(?:{lead})" for lead in leads)) if leads else None
        self._leads = tuple(leads)
        self._pairs = _Pairs(self.patterns)
        self._telling: set[Pair] = set()
        """The pairs whose expression tells one digit from another."""
        self._floors = b""
        """For all that the scanner finds, the lowest level of a record in which it counts."""
        self._recall = lru_cache(_RECENT)(self._tried)
        self._pairs_of = lru_cache(_RECENT)(self._pairs_by)
        self.floor = lru_cache(_RECENT)(self._floor_of)
        """The rank of the lowest level of a record in which anything counts of what was found."""
        self._alike: dict[tuple[bytes, frozenset[int]], _Alike | str] = {}
        """What all records state in which the same was found and that differ in their digits alone."""

    @cached_property
    def _numbered(self) -> Chooser:
        """Which of the leads that tell one digit from another can match where a text begins."""
        return chooser([Shape(lead) for lead in self._leads if tells(lead)])

    @cached_property
    def _own(self) -> re.Pattern[str] | None:
        """What only a library says, wherever it stands."""
        own = dict.fromkeys(each for pattern in self.patterns for each in pattern.own)
        return re.compile(rf"(?<!\w)(?:{'|'.join(own)})") if own else None

    @cached_property
    def _ranks(self) -> list[int]:
        """The lowest level, as a rank, of a record in which each pattern counts."""
        return [self._floor(pattern).rank for pattern in self.patterns]

    @property
    def expressions(self) -> list[str]:
        """Each that a pattern looks for."""
        return [text for pattern in self.patterns for text in pattern.any]

    @cached_property
    def search(self) -> Search:
        """What every pattern and every code wants, ready to be found."""
        names = [packed(Wanted(((Literal(f'"{code}"'.encode()),),))) for code in self.codes]
        wants = {name: number for number, name in enumerate(names)}
        derived = self._derive(self.expressions)
        self._pairs.want([wants.setdefault(need.wanted, len(wants)) for need in derived])
        self._telling = {self._pairs.at(place) for place, need in enumerate(derived) if need.tells}
        each = map(self._pairs.wanting, range(len(wants)))
        self._floors = bytes(min((self._ranks[at] for at, _ in pairs), default=0) for pairs in each)
        return Search(Shelf(wants), self._store)

    def hits(self, lines: bytes, before: Iterable[bytes] = ()) -> list[Hit]:
        """Which whole lines, behind others, may hold the last of what a pattern matches."""
        return self.search.scan(lines, before)

    def _floor_of(self, wanted: frozenset[int]) -> int:
        return min(self._floors[number] for number in wanted)

    def state(self, record: Parsed) -> Found | None:
        """The exact cause that `record` states, or None."""
        if record.like is None:
            return _root(list(self.matches(record)))
        key = record.like, record.hits
        known = self._alike.get(key)
        if isinstance(known, _Alike):
            return known.state(record)
        if len(self._alike) >= _KINDS:
            self._alike.clear()
        if known is None:
            self._alike[key] = _ONCE
        elif known == _ONCE:
            learnt = self._learnt(record)
            self._alike[key] = learnt or _OPEN
            if learnt:
                return learnt.state(record)
        return _root(list(self.matches(record)))

    def claims(self, record: Parsed) -> list[Found]:
        """The causes left when wrappers and beaten ones are dropped: of good packs, one code at most."""
        return _unbeaten(list(self.matches(record)))

    def matches(self, record: Parsed) -> Iterator[Found]:
        """Every expression that matches what `record` states, whichever wins."""
        said = tuple((each.form, each.text) for each in record.statements)
        pairs = self._possible(record)
        # Storms say the same again and again: the answer is remembered.
        is_short = sum(len(text) for _, text in said) <= _SHORT
        tried = self._recall if is_short else self._tried
        for (number, choice), at in tried(pairs, said, record.record.level) if pairs else ():
            yield Found(self.patterns[number], record.statements[at], choice)

    def _possible(self, record: Parsed) -> tuple[Pair, ...]:
        """The expressions that count in a record, of those whose words were found in it."""
        loudness, text = rank(record.record.level), record.record.text
        wanted = self._pairs_of(record.hits)
        numbers = {
            number
            for number in {number for number, _ in wanted}
            if loudness >= self._ranks[number]
            and self.patterns[number].logged in (None, record.logged)
            and self.patterns[number].stands_in(text)
        }
        return tuple([pair for pair in wanted if pair[0] in numbers])

    def _learnt(self, record: Parsed) -> _Alike | None:
        """What all those state that are like a record of one statement; None if its digits may decide it."""
        statement, loudness = record.statements[0], rank(record.record.level)
        starts = self._starts(statement.form, statement.text, record.record.level)
        if any(self._numbered(statement.text[start:]) for start in starts):
            return None
        sure, open_ = list[Pair](), list[Pair]()
        for number, choice in self._pairs_of(record.hits):
            pattern = self.patterns[number]
            if loudness < self._ranks[number] or pattern.logged not in (None, record.logged):
                continue
            if statement.form not in pattern.form:
                continue
            if pattern.frames or (number, choice) in self._telling:
                open_.append((number, choice))
            elif _matches(pattern, choice, statement.text, starts):
                sure.append((number, choice))
        return _Alike(self.patterns, sure, open_, starts)

    def _pairs_by(self, hits: frozenset[int]) -> list[Pair]:
        return sorted({pair for number in hits for pair in self._pairs.wanting(number)})

    def _tried(
        self, wanted: tuple[Pair, ...], said: tuple[Words, ...], level: Severity | None
    ) -> tuple[tuple[Pair, int], ...]:
        """The pairs that match what is said at a level, each with the number of the statement."""
        found: list[tuple[Pair, int]] = []
        for at, (form, words) in enumerate(said):
            starts = self._starts(form, words, level)
            for pair in wanted:
                pattern = self.patterns[pair[0]]
                if form in pattern.form and _matches(pattern, pair[1], words, starts):
                    found.append((pair, at))
        return tuple(found)

    def _starts(self, form: Form, text: str, level: Severity | None) -> list[int]:
        """The places in a statement where its own words may begin: behind its lead-in, and a library's."""
        leads = self._leads_at(rank(level))
        starts = _starts(form, text, leads)
        own = self._own.search(text, 0, _AHEAD) if self._own and starts else None
        if own and own.start() not in starts:
            before = text[: own.start()]
            if is_free(form, before, level) and not _is_told(before):
                starts += _behind(text, own.start(), leads)
        return starts

    def _leads_at(self, loudness: int) -> list[re.Pattern[str]]:
        leads = [_LEAD_IN, *([self._lead] if self._lead else [])]
        if loudness >= Severity.WARNING.rank:
            leads.append(_WHY)  # who says that nothing is wrong speaks of no failure, but may quote one
        return leads

    def _floor(self, pattern: Pattern) -> Severity:
        """Bad news is not told at level info, unless the pattern knows that it is."""
        if pattern.level:
            return pattern.level
        bad = self.codes[pattern.code].sign in {Sign.BAD, Sign.WARN}
        return Severity.WARNING if bad else Severity.DEBUG


class _Pairs:
    """Which expressions may match where something was found, in eight bytes each."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._ends = array("I", accumulate(len(pattern.any) for pattern in patterns))
        """How many expressions the patterns have so far."""
        self._wants, self._places = array("I"), array("I")

    def want(self, wants: Sequence[int]) -> None:
        """Say for each expression, in the patterns' order, the number of what it wants."""
        self._places = array("I", sorted(range(len(wants)), key=wants.__getitem__))
        self._wants = array("I", [wants[place] for place in self._places])

    def wanting(self, number: int) -> list[Pair]:
        """Those that want what has this number."""
        first, end = bisect_left(self._wants, number), bisect_right(self._wants, number)
        return [self.at(place) for place in self._places[first:end]]

    def at(self, place: int) -> Pair:
        """Of all expressions the one at a place."""
        number = bisect_right(self._ends, place)
        return number, place - (self._ends[number - 1] if number else 0)


class _Alike:
    """What all records of one statement state that differ in their digits alone."""

    def __init__(
        self, patterns: Sequence[Pattern], sure: list[Pair], open_: list[Pair], starts: list[int]
    ) -> None:
        self._patterns, self._sure, self._starts = patterns, sure, starts
        self._open = [(pair, patterns[pair[0]]) for pair in open_]
        """What tells one digit from another, or asks for frames: it is tried each time."""
        self._roots: dict[tuple[Pair, ...], tuple[Pattern, int] | None] = {}
        """The exact cause, by which of those match."""

    def state(self, record: Parsed) -> Found | None:
        """The exact cause that one of them states."""
        statement = record.statements[0]
        more = tuple(
            [
                pair
                for pair, pattern in self._open
                if _matches(pattern, pair[1], statement.text, self._starts)
                and pattern.stands_in(record.record.text)
            ]
        )
        if more not in self._roots:
            pairs = sorted([*self._sure, *more])
            root = _root([Found(self._patterns[number], statement, choice) for number, choice in pairs])
            self._roots[more] = (root.pattern, root.choice) if root else None
        known = self._roots[more]
        return Found(known[0], statement, known[1]) if known else None


def _root(found: list[Found]) -> Found | None:
    """Of all causes that a record states the exact one."""
    left = _unbeaten(found)
    # The first cause is the root; a reason says more than none, and so does whether it heals.
    same = [each for each in left if each.pattern.code == left[0].pattern.code]
    return max(same, key=_said, default=None)


def _unbeaten(found: list[Found]) -> list[Found]:
    exact = [each for each in found if not each.pattern.generic] or found
    beaten = frozenset[str]().union(*(each.pattern.beats for each in exact))
    return [each for each in exact if each.pattern.code not in beaten] or exact


def _starts(form: Form, text: str, leads: list[re.Pattern[str]]) -> list[int]:
    """The places in a statement where its own words may begin: behind each part of its lead-in."""
    if form is Form.LINE and _SPOKEN_OF.match(text):
        return []
    at = len(text) - len(text.lstrip())
    found = [at]
    first = _FIRST.get(form)
    if first and (name := first.match(text, at)):
        found.append(at := name.end())
    return [*found[:-1], *_behind(text, at, leads)]


def _behind(text: str, at: int, leads: list[re.Pattern[str]]) -> list[int]:
    """A place in a statement, and those behind each part of a lead-in that begins there."""
    found = [at]
    while len(found) < _PARTS:
        part = next((part for lead in leads if (part := lead.match(text, at)) and part.end() > at), None)
        if not part or _is_told(part[0]):
            break
        found.append(at := part.end())
    return found


def _matches(pattern: Pattern, choice: int, text: str, starts: list[int]) -> bool:
    """Whether one of a pattern's expressions matches at one of `starts`."""
    match = pattern.compiled(choice).match
    if any(match(text, start) for start in starts):
        return True
    return pattern.whole and (bare := _bare(text)) != text and any(match(bare, start) for start in starts)


@lru_cache(_RECENT)
def _bare(text: str) -> str:
    """A statement whose first line ends with its words."""
    line, end, rest = text.partition("\n")
    line = line.rstrip()
    for _ in range(_TAILS):
        at = max(0, len(line) - _REACH)
        tail = _TAIL.search(line[at:])
        if not tail:
            break
        line = line[: at + tail.start()].rstrip()
    return f"{line}{end}{rest}"


def _said(found: Found) -> tuple[bool, bool, bool]:
    """How much a pattern knows beyond its code."""
    pattern = found.pattern
    return pattern.reason is not None, pattern.fatal is False, pattern.fatal is not None


@lru_cache(_RECENT)
def _is_told(lead_in: str) -> bool:
    """Whether somebody tells in it what others said."""
    return bool(_TOLD.search(_DUMPED.split(lead_in, 1)[0]))


def words(statement: Statement) -> str:
    """The one line of a statement that says it."""
    return statement.text.lstrip().split("\n", 1)[0].strip()
