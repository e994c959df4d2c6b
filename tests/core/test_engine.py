"""What follows from what is read: annotations, alerts, questions, and never a stop on the word of text."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from logrules.core.effects import Annotate, Effect, Probe, Send, Stop
from logrules.core.engine import Engine, Policy, classify
from logrules.core.event import Event, encode, timestamp
from logrules.core.match import Match
from logrules.core.model import EVENTS, Chunk, Exit, Origin, Severity
from logrules.rules import rulebook

OUT = Origin("bot", "1", "stdout")
SPOKEN = Origin("bot", "1", EVENTS)
CONFLICT = "ERROR:bot:Error while getting Updates: Conflict: terminated by other getUpdates request"
WEBHOOK = "telegram.error.Conflict: Conflict: can't use getUpdates method while webhook is active"
TOKEN = "telegram.error.InvalidToken: Unauthorized"
LOST = "ERROR - ❌ Advisory lock connection lost! Lock may be released."
STARTED = "INFO - ✅ Polling started successfully!"


class Log:
    """An engine that is fed lines; it collects what follows."""

    def __init__(self, *stop_on: str, acts: bool = True, overlap: float = 0.0) -> None:
        self.engine = Engine(rulebook(), Policy(acts, frozenset(stop_on), overlap, started=0.0))
        self.effects: list[Effect] = []

    def feed(self, text: str, now: float, origin: Origin = OUT) -> list[Effect]:
        """Feeds lines, waits until they are closed and returns what followed."""
        effects = self.engine.feed(Chunk(origin, f"{text}\n".encode(), now)) + self.engine.tick(now + 1)
        self.effects += effects
        return effects

    def of(self, kind: type) -> list[Match]:
        """The matches of one kind of effect."""
        return [effect.match for effect in self.effects if isinstance(effect, kind)]


def event_line(code: str, *, fatal: bool = False) -> str:
    """What the guard prints."""
    event = Event(
        timestamp=timestamp(1.0),
        level=Severity.ERROR,
        code=code,
        message="m",
        service="bot",
        instance="1",
        fatal=fatal,
    )
    return encode(event, str).decode().rstrip("\n")


def test_a_scan_only_annotates() -> None:
    """It acts on nothing and gives each code's own `fatal`, line and rule."""
    log = Log(acts=False)
    log.feed(f"x\n{CONFLICT}\n{STARTED}\n{LOST}", 1.0)

    assert [type(effect) for effect in log.effects] == [Annotate] * 3
    assert [(m.code, m.reason, m.fatal, m.line) for m in log.of(Annotate)] == [
        ("CONFLICT_409", "other_getupdates", True, 2),
        ("POLLING_STARTED", None, False, 3),
        ("LOCK_LOST", None, True, 4),
    ]
    assert log.of(Annotate)[0].rule.endswith("/CONFLICT_409/other_getupdates")


def test_a_bad_sign_from_text_is_a_warning_until_proved() -> None:
    """Under `run` it is annotated and sent, never fatal, never louder than a warning."""
    log = Log()
    log.feed(f"{LOST}\n{STARTED}", 1.0)

    assert [type(effect) for effect in log.effects] == [Annotate, Send, Annotate, Send]
    lost, started = log.of(Send)
    assert (lost.code, lost.fatal, lost.level, lost.proved) == ("LOCK_LOST", False, Severity.WARNING, False)
    assert (started.code, started.level) == ("POLLING_STARTED", Severity.INFO)


def test_a_record_waits_for_what_may_belong_to_it() -> None:
    """Live, the last record stays open until something closes it or 200 ms have passed."""
    engine = Engine(rulebook(), Policy(acts=False))

    assert (
        engine.feed(Chunk(OUT, b"2026-01-15 08:29:41 ERROR boom\nTraceback (most recent call last):\n", 1.0))
        == []
    )
    assert engine.deadline == pytest.approx(1.2)
    assert (
        engine.feed(
            Chunk(OUT, b'  File "x", line 1, in y\nOSError: [Errno 28] No space left on device\n', 1.1)
        )
        == []
    )
    assert engine.tick(1.15) == []
    (effect,) = engine.tick(1.2)
    assert isinstance(effect, Annotate)
    assert (effect.match.code, effect.match.line) == ("DISK_FULL", 4)
    assert engine.deadline is None


def test_each_record_has_its_own_patience() -> None:
    """A record that opens when another closes waits its own 200 ms."""
    engine = Engine(rulebook(), Policy(acts=False))
    engine.feed(Chunk(OUT, f"{LOST}\n".encode(), 1.0))
    closed = engine.feed(Chunk(OUT, f"{LOST}\n".encode(), 1.1))

    assert len(closed) == 1
    assert engine.deadline == pytest.approx(1.3)


def test_a_json_line_needs_no_patience() -> None:
    """It is whole as it stands."""
    engine = Engine(rulebook(), Policy(acts=False))

    assert len(engine.feed(Chunk(OUT, f"{event_line('LOCK_LOST')}\n".encode(), 1.0))) == 1


def test_the_end_of_a_stream_closes_it() -> None:
    """What is open is classified; a last line without its newline too."""
    engine = Engine(rulebook(), Policy(acts=False))
    effects = engine.feed(Chunk(OUT, LOST.encode(), 1.0)) + engine.end(OUT, 1.0)

    assert [effect.match.code for effect in effects] == ["LOCK_LOST"]
    assert engine.deadline is None


def test_the_rest_of_a_cut_line_is_no_line() -> None:
    """A line that came in pieces for its length is judged by its beginning alone."""
    engine = Engine(rulebook(), Policy(acts=False))
    pieces = (b"x" * 65536, b"\n".join([b"tail", b""]), f"{STARTED}\n".encode())
    effects = [effect for data in pieces for effect in engine.feed(Chunk(OUT, data, 1.0))]
    hostile = engine.feed(Chunk(OUT, b"y" * 65536, 1.0)) + engine.feed(
        Chunk(OUT, f"{LOST}\nz\n".encode(), 1.0)
    )
    effects += engine.end(OUT, 1.0)

    assert [(effect.match.code, effect.match.line) for effect in effects + hostile] == [
        ("POLLING_STARTED", 2)
    ]


def test_a_long_record_is_carried_by_its_ends() -> None:
    """Of a monstrous line the match keeps both ends of what was looked at, and marks the cut."""
    (match,) = classify(rulebook(), f"{LOST} {'x' * 70_000} the far end")

    assert match.evidence.startswith(LOST)
    assert match.evidence[4000:].startswith("\n…\nxxx")
    assert len(match.evidence) == 8003


def test_a_stream_that_has_more_to_read_is_not_closed() -> None:
    """A record whose rest waits in the pipe is not cut in two because the reader was slow."""
    engine = Engine(rulebook(), Policy(acts=False))
    engine.feed(
        Chunk(OUT, b'ERROR boom\nTraceback (most recent call last):\n  File "x", line 1, in y\n', 1.0)
    )

    assert engine.tick(9.0, busy=[OUT]) == []
    assert engine.feed(Chunk(OUT, b"OSError: [Errno 28] No space left on device\n", 9.0)) == []
    (effect,) = engine.tick(9.1)
    assert isinstance(effect, Annotate)
    assert (effect.match.code, effect.match.line) == ("DISK_FULL", 4)


def test_streams_do_not_mix() -> None:
    """A record never crosses from one stream of a child to another."""
    engine = Engine(rulebook(), Policy(acts=False))
    engine.feed(Chunk(OUT, b'Traceback (most recent call last):\n  File "x", line 1, in y\n', 1.0))
    engine.feed(Chunk(OUT._replace(stream="stderr"), b"OSError: [Errno 28] No space left on device\n", 1.0))
    codes = sorted(effect.match.code for effect in engine.tick(2.0) if isinstance(effect, Annotate))

    assert codes == ["DISK_FULL", "HANDLER_ERROR"]


def test_the_bot_api_proves_a_refused_token() -> None:
    """A question is asked, at most once a minute; the answer yes is told as fatal and ends the child."""
    log = Log()
    (probe,) = [effect for effect in log.feed(TOKEN, 1.0) if isinstance(effect, Probe)]
    again = [log.feed(TOKEN, now) for now in (2.0, 59.0)]

    assert probe.what == "token"
    assert not any(isinstance(effect, Probe | Stop) for effects in again for effect in effects)
    assert log.engine.answer(probe, False, 62.0) == []
    annotate, send, stop = log.engine.answer(probe, True, 62.0)
    assert isinstance(annotate, Annotate)
    assert isinstance(send, Send)
    assert (send.match.proved, send.match.fatal, send.match.level) == (True, True, Severity.CRITICAL)
    assert isinstance(stop, Stop)
    assert stop.exit is Exit.CONFIG
    assert any(isinstance(effect, Probe) for effect in log.feed(TOKEN, 70.0))


def test_a_webhook_that_is_set_proves_no_conflict() -> None:
    """A webhook bot has one, and its users may make it print anything: an error to look at, never an end."""
    log = Log()
    (probe,) = [effect for effect in log.feed(WEBHOOK, 1.0) if isinstance(effect, Probe)]

    assert probe.what == "webhook"
    annotate, send = log.engine.answer(probe, True, 2.0)
    assert isinstance(annotate, Annotate)
    assert isinstance(send, Send)
    assert (send.match.reason, send.match.fatal, send.match.level) == (
        "webhook_active",
        False,
        Severity.ERROR,
    )


def test_a_child_is_stopped_once() -> None:
    """A second proof does not end what is ending."""
    log = Log()
    (probe,) = [effect for effect in log.feed(TOKEN, 1.0) if isinstance(effect, Probe)]
    stops = [
        effect for _ in range(2) for effect in log.engine.answer(probe, True, 2.0) if isinstance(effect, Stop)
    ]

    assert len(stops) == 1


def conflicts(*times: float, overlap: float = 0.0, stop: bool = False, line: str = CONFLICT) -> Log:
    log = Log(*(["CONFLICT_409"] if stop else []), overlap=overlap)
    for now in times:
        log.feed(line, now)
    return log


def test_conflicts_that_go_on_are_errors_but_never_fatal() -> None:
    """Three over thirty seconds are told louder; only an operator who believes text ends the child for it."""
    first, second, third = conflicts(10, 25, 40).of(Send)
    believed = conflicts(10, 25, 40, stop=True)

    assert {match.level for match in (first, second)} == {Severity.WARNING}
    assert (third.level, third.fatal, third.proved) == (Severity.ERROR, False, False)
    assert third.attrs == {"times": 3, "seconds": 30}
    assert not conflicts(10, 25, 40).of(Stop)
    assert believed.of(Send)[-1].fatal
    assert [match.code for match in believed.of(Stop)] == ["CONFLICT_409"]


@pytest.mark.parametrize(
    ("times", "overlap", "line"),
    [
        ((10, 25, 39), 0, CONFLICT),
        ((10, 40), 0, CONFLICT),
        ((10, 200, 400, 600), 0, CONFLICT),
        ((10, 25, 40, 155, 170), 150, CONFLICT),
        ((10, 25, 40), 0, "Conflict: terminated by other getUpdates request"),
    ],
    ids=["too short", "too few", "too rare", "during the overlap", "raw lines"],
)
def test_conflicts_that_prove_nothing(times: tuple[float, ...], overlap: float, line: str) -> None:
    """A handover, a rare accident or somebody's raw text."""
    log = conflicts(*times, overlap=overlap, stop=True, line=line)

    assert {match.level for match in log.of(Send)} == {Severity.WARNING}
    assert not log.of(Stop)


def test_the_end_proves_conflicts_that_went_on() -> None:
    """What was only text while the child lived is fatal when the child fails of it, in its log as well."""
    said, send = conflicts(10, 25, 40).engine.ended(1, 42)

    assert isinstance(said, Annotate)
    assert isinstance(send, Send)
    assert said.match == send.match
    assert (send.match.proved, send.match.fatal, send.match.level) == (True, True, Severity.CRITICAL)


def test_an_end_without_failure_condemns_nothing() -> None:
    """A child that ends with status 0 after a bad sign has not failed: it is told, and not as fatal."""
    (send,) = conflicts(10).engine.ended(0, 12)

    assert isinstance(send, Send)
    assert (send.match.fatal, send.match.level) == (False, Severity.ERROR)


def test_the_childs_own_end_proves_its_last_words() -> None:
    """The last bad sign of its kind within five seconds was true; an older one proves nothing."""
    log = Log()
    log.feed("ERROR - sorry, too many clients already", 1.0)
    log.feed(f"{LOST}\n{LOST}", 10.0)
    effects = log.engine.ended(1, 14.0)

    assert [(type(effect), effect.match.code, effect.match.fatal) for effect in effects] == [
        (Annotate, "LOCK_LOST", True),
        (Send, "LOCK_LOST", True),
    ]
    assert {effect.match.line for effect in effects} == {3}
    assert log.engine.ended(1, 14.0) == []


LEFT = "INFO - Received SIGTERM signal"


@pytest.mark.parametrize(
    ("said", "ended_at", "has_token", "cut_short"),
    [
        ([(STARTED, 1.0)], 30.0, False, True),
        ([(CONFLICT, 1.0)], 30.0, False, True),
        ([(STARTED, 1.0), (LEFT, 29.0)], 30.0, True, False),
        ([(STARTED, 1.0), (LEFT, 10.0)], 5000.0, False, True),
        ([("Applying auth.0001_initial... OK", 1.0)], 5000.0, False, False),
        ([("Applying auth.0001_initial... OK", 1.0)], 30.0, True, False),
        ([], 599.0, True, False),
        ([], 600.0, True, True),
    ],
)
def test_whose_end_is_cut_short(said, ended_at, has_token, cut_short) -> None:
    """What polled, or has a bot's token and lived for long, is not meant to end, unless it says it will."""
    log = Log()
    for line, now in said:
        log.feed(line, now)

    assert log.engine.is_cut_short(ended_at, has_token=has_token) is cut_short


def test_an_operator_may_believe_text() -> None:
    """With `stop_on` the code ends the child with its own status, logged or printed raw."""
    for line in (LOST, "Advisory lock connection lost"):
        *_, stop = Log("LOCK_LOST").feed(line, 1.0)
        assert isinstance(stop, Stop)


def test_the_event_descriptor_carries_authority() -> None:
    """What the guard says is sent as proved with its own `fatal`, and never annotated or acted upon."""
    log = Log("LOCK_LOST")
    (effect,) = log.feed(event_line("LOCK_LOST", fatal=True), 1.0, SPOKEN)

    assert isinstance(effect, Send)
    assert (effect.match.proved, effect.match.fatal, effect.match.service) == (True, True, "bot")
    assert log.feed(LOST, 2.0, SPOKEN) == []


def test_copies_of_spoken_events_are_not_counted() -> None:
    """Once the guard has spoken on its descriptor, its lines on stdout are copies; text still counts."""
    log = Log()
    before = log.feed(event_line("LOCK_WAITING"), 1.0)
    log.feed(event_line("LOCK_WAITING"), 2.0, SPOKEN)
    after = log.feed(event_line("LOCK_WAITING"), 3.0)

    assert [type(effect) for effect in before] == [Annotate, Send]
    assert after == []
    assert log.feed(LOST, 4.0)
    assert log.feed(event_line("LOCK_WAITING"), 5.0, OUT._replace(instance="2"))


def test_an_event_line_in_text_is_evidence() -> None:
    """A JSON line with a code, printed by anybody, is neither fatal nor a reason to stop."""
    log = Log()
    log.feed(event_line("LOCK_LOST", fatal=True), 1.0)

    assert [(match.fatal, match.proved) for match in log.of(Send)] == [(False, False)]
    assert not log.of(Stop)


RAW = f'Traceback (most recent call last):\n  File "x", line 1, in y\n{CONFLICT}'
"""A traceback at column 0, as a message of several lines puts it there."""
HOSTILE = [
    CONFLICT,
    WEBHOOK,
    TOKEN,
    LOST,
    RAW,
    f"2026-01-15 08:29:41,511 - bot - INFO - 42 wrote: hello\n{RAW}",
    f"2026-01-15 08:29:41,511 - telegram.ext.Updater - {CONFLICT}",
    f"hello\n{CONFLICT}",
    '{"level": "error", "msg": "409 CONFLICT DETECTED"}',
    event_line("CONFLICT_409", fatal=True),
    "==> Exited with status 1",
    f'Traceback (most recent call last):\n  File "x", line 1, in y\n{WEBHOOK}',
]


@pytest.mark.parametrize("message", HOSTILE)
def test_no_message_stops_or_condemns_a_bot(message: str) -> None:
    """Whatever users make a bot print raw, however long: nothing of it is fatal and nothing stops it."""
    log = Log()
    for now in range(1, 600, 13):
        log.feed(message, float(now))

    assert not log.of(Stop)
    assert not [match for match in (*log.of(Annotate), *log.of(Send)) if match.fatal or match.proved]


def test_the_cut_of_the_bytes_changes_nothing() -> None:
    """The same log gives the same matches however it is cut at its line ends."""
    samples = [sample for pattern in rulebook().patterns for sample in pattern.match]
    dice = random.Random(5)
    lines = "\n".join(dice.sample(samples, 120)).encode().splitlines(keepends=True)
    whole = _matches(lines, [0, len(lines)])
    for _ in range(5):
        cuts = sorted({0, len(lines), *(dice.randrange(len(lines)) for _ in range(40))})
        assert _matches(lines, cuts) == whole
    assert len(whole) > 100


def _matches(lines: list[bytes], cuts: list[int]) -> list[tuple[str, int | None]]:
    engine = Engine(rulebook(), Policy(acts=False))
    effects: list[Effect] = []
    for start, end in pairwise(cuts):
        effects += engine.feed(Chunk(OUT, b"".join(lines[start:end]), 1.0))
    effects += engine.end(OUT, 1.0)
    return [(effect.match.code, effect.match.line) for effect in effects]


def test_noise_is_survived() -> None:
    """Random bytes around known words: no crash, and the known line behind them is found."""
    dice = random.Random(9)
    for _ in range(100):
        noise = dice.randbytes(dice.randint(0, 300)).replace(b"\n", b" ")
        engine = Engine(rulebook(), Policy(acts=False))
        effects = engine.feed(Chunk(OUT, noise + b"\n" + f"{STARTED}\nx\n".encode(), 1.0)) + engine.end(
            OUT, 1.0
        )
        assert "POLLING_STARTED" in [effect.match.code for effect in effects]


def test_one_text_is_classified_at_once() -> None:
    """`classify` is for a pasted line or traceback."""
    assert [match.code for match in classify(rulebook(), f"{LOST}\n{STARTED}")] == [
        "LOCK_LOST",
        "POLLING_STARTED",
    ]
    assert classify(rulebook(), "") == []
    assert classify(rulebook(), "lone surrogate \udcff") == []


def test_an_exception_that_nobody_caught_is_fatal() -> None:
    """What a retrying loop survives ends a script: a network error is fatal only where it is uncaught."""
    frames = 'Traceback (most recent call last):\n  File "bot.py", line 1, in <module>\n    main()\n'
    (uncaught,) = classify(rulebook(), f"{frames}httpx.ConnectTimeout\n")
    (caught,) = classify(rulebook(), f"ERROR - update failed\n{frames}httpx.ConnectTimeout\n")

    assert (uncaught.code, uncaught.fatal) == ("NETWORK_ERROR", True)
    assert (caught.code, caught.fatal) == ("NETWORK_ERROR", False)


@pytest.mark.parametrize(
    ("said", "fatal"),
    [
        ("ERROR - request to https://x/getMe failed, reason: getaddrinfo ENOTFOUND x", True),
        (
            "ERROR - request to https://x/getUpdates failed, reason: getaddrinfo ENOTFOUND x",
            False,
        ),
        ("ERROR - Unable to connect to the database. Retrying (2)...", False),
        ("ERROR - Unable to connect to the database. Tried to reconnect 3 times. Giving up.", True),
        ('ERROR - relation "users" does not exist', False),
        (
            'ERROR - (psycopg.errors.UndefinedTable) relation "u" does not exist\n[SQL: ALTER TABLE u]',
            True,
        ),
        ("alembic.util.exc.CommandError: Can't locate revision identified by 'b1'", True),
        ("/srv/x/http.rb:80:in `initialize': execution expired (Net::OpenTimeout)\n\tfrom a.rb:1", True),
        ("ERROR - Connection refused - connect(2) for 127.0.0.1:8080", False),
        ("==> No open ports detected, continuing to scan...", False),
        ("==> Port scan timeout reached, no open ports detected. Bind your service", True),
    ],
)
def test_whether_it_heals_is_said_beside_it(said: str, fatal: bool) -> None:
    """A step that comes once, at the start, ends the program; who tries again goes on, until he gives up."""
    assert [match.fatal for match in classify(rulebook(), said)] == [fatal]


def test_a_storm_is_annotated_once_a_minute() -> None:
    """The same sign, again and again, is one annotation a minute that says how often it was met."""
    log = Log()
    for second in range(90):
        log.feed(LOST, float(second))

    assert [match.count for match in log.of(Annotate)] == [1, 60]
    assert len(log.of(Send)) == 90
