"""What people are told: whole bots, a real PostgreSQL, Telegram's double, and Sentries that fail.

Every event that arrives goes through the normaliser of Sentry's own Relay.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sentry_relay.processing import StoreNormalizer

from logrules.rules import rules
from logrules.testing import PostgresServer, SentryReceiver
from logrules.testing.sentry_receiver import KEY
from tests import warm
from tests.processes import Bot, rival

PASSWORD = "sup3r/s3cret"
ALONE, WRAPPED = (sys.executable,), (sys.executable, "-m", "logrules", "run", "--", sys.executable)

BOT = """
import asyncio, logging, os, signal, sys, threading
import sentry_sdk
from loguru import logger as loguru
from sentry_sdk.integrations.loguru import LoguruIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.scrubber import EventScrubber
from telegram.ext import Application, MessageHandler, filters
from logrules import Timers, guard

TIMERS = Timers(
    lease=7, dropped=7, keepalive=0.5, answer=1, fence=6, chunk=1, check=0.5, grace=0.3, patience=1, drain=3
)

class Intercept(logging.Handler):
    # As loguru's own documentation recommends it.
    def emit(self, record):
        loguru.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

if os.environ.get("LOGS") == "loguru":
    logging.basicConfig(handlers=[Intercept()], level=20)
else:
    logging.basicConfig(level=logging.INFO)

# The worst that can be asked of the SDK: everything is shown, and every record becomes an event.
WORST = {
    "send_default_pii": True,
    "attach_stacktrace": True,
    "include_local_variables": True,
    "include_source_context": True,
    "add_full_stack": True,
    "max_breadcrumbs": 200,
    "max_value_length": 100_000,
    "max_request_body_size": "always",
    "enable_logs": True,
    "transport_queue_size": 10_000,
    "event_scrubber": EventScrubber(denylist=[], pii_denylist=[]),
    "integrations": [LoguruIntegration(event_level=20), LoggingIntegration(level=20, event_level=20)],
}
if "SNIPPET" in os.environ:
    exec(os.environ["SNIPPET"])
elif "USERS" in os.environ:
    sentry_sdk.init(os.environ["USERS"], **(WORST if "WORST" in os.environ else {}))
    sentry_sdk.set_tag("token", os.environ["BOT_TOKEN"])
    sentry_sdk.get_global_scope().set_extra("database", os.environ.get("DATABASE_URL"))

async def answer(update, context):
    if update.message.text == "fail":
        raise ValueError("a handler of the bot's own")
    if update.message.text == "_exit":
        os._exit(9)
    if update.message.text == "killed":
        os.kill(os.getpid(), signal.SIGKILL)

async def post_init(application):
    if os.environ.get("BREAK") == "post_init":
        raise RuntimeError("no such table " + os.environ.get("SAYS", "") * int(os.environ.get("TIMES", 1)))

def build():
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
    application = builder.post_init(post_init).build()
    application.add_handler(MessageHandler(filters.TEXT, answer))
    return application

async def beside():
    # A flush that ends only if this loop goes on meanwhile.
    guarded, loop, begun = guard(build(), timers=TIMERS), asyncio.get_running_loop(), asyncio.Event()
    went_on = threading.Event()

    def flush(seconds):
        loop.call_soon_threadsafe(begun.set)
        print("the loop went on:", went_on.wait(20), flush=True)
        return []

    async def others():
        await begun.wait()
        went_on.set()

    guarded._alerts.flush = flush
    task = asyncio.create_task(others())
    async with guarded.polling(timeout=2):
        await guarded.started()
    await task

if os.environ.get("WAY") == "beside":
    asyncio.run(beside())
elif os.environ.get("WAY") == "unguarded":
    build().run_polling(timeout=2)
else:
    guard(build(), timers=TIMERS).run_polling(timeout=2)
"""

CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
SAID = f"2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - Error while getting Updates: {CONFLICT}"
CRASH = f"import sys; print({SAID!r}, flush=True); sys.exit(3)"
"""A command that says one thing, and ends of it."""


RUN_AT = (
    "import sys, time; real, ahead = time.time, float(sys.argv.pop(1)); time.time = lambda: real() + ahead; "
    "from logrules.stores.sqlite import outbox; outbox.LEASE = 7.0; "
    "from logrules.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""`logrules` by a clock that is wrong by so many seconds; what a killed process had in hand is soon free."""


def run_at(ahead, code):
    return (sys.executable, "-c", RUN_AT, str(ahead), "run", "--", sys.executable, "-c", code)


class Stage:
    """An operator's environment: Telegram, a Sentry, a folder, and the processes that were started in it."""

    def __init__(self, api, sentry, folder):
        self.api = api
        self.sentry = sentry
        self.folder = folder
        self.started = []
        (folder / "bot.py").write_text(BOT, "utf-8")

    def begin(self, *command, **more):
        """Start a command, with `more` in its environment."""
        ours = ("LOGRULES_", "PG", "SENTRY_", "RENDER", "DATABASE_URL")
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
            "BOT_TOKEN": self.api.token,
            "API": self.api.url,
            "LOGRULES_BOT_API": self.api.url,
            "LOGRULES_STATE": str(self.folder / "state.db"),
            "LOGRULES_SERVICE": "bot",
            "LOGRULES_LANG": "en",
            "LOGRULES_FLUSH": "20",
            "LOGRULES_CONFLICT_GRACE": "0",
            "SENTRY_DSN": self.sentry.dsn,
            "TMPDIR": str(self.folder),
            **{name: str(value) for name, value in more.items()},
        }
        self.started.append(Bot(f"process {len(self.started)}", [*command], environ, warm.begun))
        return self.started[-1]

    def bot(self, way, **more):
        """Start the bot, alone or under `logrules run`."""
        return self.begin(*way, str(self.folder / "bot.py"), **more)

    def close(self):
        for process in self.started:
            process.close()


@pytest.fixture
def stage(bot_api, sentry, tmp_path):
    made = Stage(bot_api, sentry, tmp_path)
    yield made
    made.close()


def ours(receiver, ahead=0):
    """The alerts that arrived, each as often as it came; Sentry keeps them whole and without an error.

    `ahead` is by how many seconds their clock was.
    """
    relay = StoreNormalizer(
        project_id=1,
        client="logrules",
        protocol_version="7",
        enable_trimming=True,
        received_at=datetime.now(UTC).isoformat(),
        max_secs_in_future=60 + int(ahead),
        max_secs_in_past=30 * 86400,
    )
    events = [item.content for item in receiver.items if item.type == "event"]
    told = [event for event in events if event.get("logger") == "logrules"]
    for event in told:
        kept = relay.normalize_event(event)
        code = rules.specs[event["tags"]["code"]].why(event["tags"].get("reason"))
        assert not kept.get("errors"), kept["errors"]
        assert not kept.get("_meta"), kept["_meta"]
        assert kept["contexts"]["remediation"]["en"] == code.remediation_lines("en")
    return told


def codes(events):
    return [event["tags"]["code"] for event in events]


def others(receiver):
    """What a user's own Sentry has told."""
    return [event for event in receiver.events.values() if event.get("logger") != "logrules"]


class TestOneSignal:
    """One signal is one event, though the bot has a Sentry of its own in the same process and project."""

    @pytest.mark.parametrize(
        ("way", "logs"), [(ALONE, "loguru"), (WRAPPED, "logging")], ids=["alone", "under run"]
    )
    def test_conflict(self, stage, postgres, way, logs):
        """The guard's conflict is told once, by us; an error of the bot's own once, by its own Sentry."""
        process = stage.bot(way, DATABASE_URL=postgres.url, USERS=stage.sentry.dsn, LOGS=logs)
        process.wait("POLLING_STARTED")
        stage.api.send_text("fail")
        stage.sentry.wait_for(1)
        with rival(stage.api):
            assert process.ended() == 75

        (own,) = others(stage.sentry)
        assert own["exception"]["values"][-1]["type"] == "ValueError"
        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]

    def test_start_that_fails(self, stage, postgres):
        """An exception that ends the start is told once, by us: it is caught, so nobody else sees it."""
        with_both = {"USERS": stage.sentry.dsn, "LOGS": "loguru"}
        process = stage.bot(WRAPPED, DATABASE_URL=postgres.url, BREAK="post_init", **with_both)

        assert process.ended() == 70
        assert codes(ours(stage.sentry)) == ["POLLING_START_FAILED"]
        assert others(stage.sentry) == []

    def test_first_word_is_told_once(self, stage):
        """A child speaks and is gone before we look: what stands on its console is known to be a copy."""
        said: dict[str, object] = {
            "timestamp": "2026-11-22T20:03:46.347765Z",
            "level": "critical",
            "code": "DB_AUTH_FAILED",
        }
        said |= {"message": "refused", "service": "bot", "instance": "a", "v": 1, "fatal": True}
        code = (
            f"import os; print('up', flush=True); line = {json.dumps(said)!r}\n"
            "fd = int(os.environ['LOGRULES_EVENT_FD'])\n"
            "os.write(fd, line.encode() + b'\\n'); print(line, flush=True); os._exit(78)"
        )
        process = stage.begin(*WRAPPED, "-c", code)

        assert process.ended() == 78
        (event,) = ours(stage.sentry)
        assert event["tags"]["fatal"] == "true"
        assert event["contexts"]["incident"]["count"] == 1
        assert len(process.of("DB_AUTH_FAILED")) == 1

    @pytest.mark.long
    def test_unguarded_bot_with_a_sentry_of_its_own(self, stage):
        """Under `run`, what the documents give to paste keeps a bot's own Sentry from telling it, too."""
        alerts = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
        blocks = re.findall(r"```python\n(.*?)```", alerts, re.DOTALL)
        (snippet,) = (block for block in blocks if "before_send" in block)
        process = stage.bot(WRAPPED, WAY="unguarded", SNIPPET=snippet)
        stage.api.wait_for(lambda: any(poll.ended is None for poll in stage.api.polls))
        stage.api.send_text("fail")
        stage.sentry.wait_for(1)
        with rival(stage.api):
            stage.sentry.wait_for(2)
        process.signal(signal.SIGTERM)
        process.ended()

        (own,) = others(stage.sentry)
        assert own["exception"]["values"][-1]["type"] == "ValueError"
        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]


@pytest.fixture(scope="module")
def locked_up():
    with PostgresServer(password=PASSWORD) as server:
        yield server


class TestNoSecret:
    """Token, database password and DSN key are in nothing that we send or keep."""

    @pytest.fixture
    def users(self):
        with SentryReceiver() as receiver:
            yield receiver

    def check(self, stage, process, secrets):
        kept = b"".join(file.read_bytes() for file in stage.folder.glob("state*"))
        lines = [line for line in process.said.splitlines() if line.startswith('{"timestamp"')]

        assert len(kept) > 4096
        assert lines
        for secret in secrets:
            assert not stage.sentry.holds(secret)
            assert secret.encode() not in kept
            assert not any(secret in line for line in lines)

    def test_conflict_beside_the_worst_sentry(self, stage, locked_up, users):
        """A real conflict: the user's own Sentry, told to show everything, shows the token; ours does not."""
        settings = {"USERS": users.dsn, "WORST": 1, "LOGS": "loguru"}
        process = stage.bot(ALONE, DATABASE_URL=locked_up.url, **settings)
        process.wait("POLLING_STARTED")
        with rival(stage.api):
            assert process.ended() == 75
        secret = stage.api.token.partition(":")[2]

        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]
        assert users.holds(secret)
        self.check(stage, process, [secret, PASSWORD, "sup3r%2Fs3cret", KEY])

    @pytest.mark.parametrize("way", [ALONE, WRAPPED], ids=["alone", "under run"])
    def test_database_that_refuses(self, stage, locked_up, users, way):
        """A real failure of asyncpg, whose frames hold the password many times over."""
        settings = {"USERS": users.dsn, "WORST": 1, "LOGS": "loguru"}
        process = stage.bot(way, DATABASE_URL=locked_up.url.replace("sup3r", "wr0ng"), **settings)
        assert process.ended() == 78
        secret = stage.api.token.partition(":")[2]

        assert codes(ours(stage.sentry)) == ["DB_AUTH_FAILED"]
        self.check(stage, process, [secret, "wr0ng/s3cret", "wr0ng%2Fs3cret", KEY])

    @pytest.mark.long
    def test_text_of_a_bot_that_shows_everything(self, stage):
        """An unguarded bot whose log shows every variable: its own bytes are its own, ours are clean."""
        process = stage.bot(WRAPPED, WAY="unguarded", LOGS="loguru")
        stage.api.wait_for(lambda: any(poll.ended is None for poll in stage.api.polls))
        with rival(stage.api):
            stage.sentry.wait_for(1)
        process.signal(signal.SIGTERM)
        process.ended()
        secret = stage.api.token.partition(":")[2]

        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]
        assert f"ExtBot[token={stage.api.token}]" in process.said
        self.check(stage, process, [secret, KEY])


class TestExit:
    """What a dying process cannot deliver is said whole, kept, and told by the next one."""

    @pytest.mark.long
    def test_undelivered_is_said_and_goes_out_later(self, stage, postgres):
        """ALERT_UNDELIVERED carries the remediation; the next start sends the same event, once."""
        stage.sentry.down()
        settings = {"DATABASE_URL": postgres.url}
        process = stage.bot(ALONE, BREAK="post_init", LOGRULES_FLUSH="0.3", **settings)
        assert process.ended() == 70
        (said,) = [event for event in process.of("ALERT_UNDELIVERED") if "attrs" in event]
        stage.sentry.ok()
        following = stage.bot(ALONE, **settings)
        stage.sentry.wait_for(1)
        following.wait("POLLING_STARTED")
        following.signal(signal.SIGTERM)
        assert following.ended() == 0

        (event,) = ours(stage.sentry)
        assert said["attrs"]["alert"] == "POLLING_START_FAILED"
        assert said["attrs"]["event_id"] == event["event_id"]
        assert said["attrs"]["remediation"] == event["contexts"]["remediation"]["en"]
        assert "truncated" not in said

    def test_flush_holds_up_no_loop(self, stage, postgres):
        """With `async with`, whoever shares the loop goes on while alerts are delivered."""
        process = stage.bot(ALONE, WAY="beside", DATABASE_URL=postgres.url)

        assert process.ended() == 0
        assert "the loop went on: True" in process.said

    @pytest.mark.long
    def test_killed_wrapper_has_lost_nothing(self, stage):
        """SIGKILL between two attempts: the next wrapper sends what the first one was trying to."""
        stage.sentry.status(503)
        stays = CRASH.replace("sys.exit(3)", "import signal; signal.pause()")
        first = stage.begin(*run_at(0, stays))
        (attempt,) = stage.sentry.wait_for(lambda: stage.sentry.attempts[:1])
        first.signal(signal.SIGKILL)
        assert first.ended() == -signal.SIGKILL
        stage.sentry.ok()
        following = stage.begin(*run_at(0, ""))
        assert following.ended() == 0

        (event,) = ours(stage.sentry)
        assert attempt.event_ids == (event["event_id"],)

    @pytest.mark.parametrize(("how", "status"), [("_exit", 9), ("killed", 137)])
    def test_bot_that_leaves_without_a_word(self, stage, postgres, how, status):
        """`os._exit` in a handler, SIGKILL: a guarded bot cannot say it, so the wrapper does."""
        process = stage.bot(WRAPPED, DATABASE_URL=postgres.url)
        process.wait("POLLING_STARTED")
        stage.api.send_text(how)

        assert process.ended() == status
        (event,) = ours(stage.sentry)
        assert event["tags"]["code"] == "PROCESS_EXITED"
        assert str(status) in event["logentry"]["formatted"]

    def test_out_of_memory(self, stage):
        """A command that the kernel refuses memory ends of it, and people are told that."""
        greedy = (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28)); b'x' * (1 << 40)"
        )
        process = stage.begin(*WRAPPED, "-c", greedy)

        assert process.ended() == 1
        assert len(ours(stage.sentry)) == 1


def test_last_words_count_however_slow_the_machine_is(stage):
    """What stood in the pipe when the command ended is its cause, with no time to wait for more."""
    no_time = "from logrules import cli; from logrules.sidecar import life; life.DRAIN = 0; exit(cli.main())"
    process = stage.begin(sys.executable, "-c", no_time, "run", "--", sys.executable, "-c", CRASH)

    assert process.ended() == 3
    assert [(event["tags"]["code"], event["level"]) for event in ours(stage.sentry)] == [
        ("CONFLICT_409", "fatal")
    ]


class TestCrashLoop:
    """A bot that starts, says that all is well, and dies of the same thing, again and again."""

    TURN = (
        "print('2026-01-15 08:29:41,511 - bot - INFO - ✅ PostgreSQL advisory lock acquired', flush=True)\n"
        "print('2026-01-15 08:29:41,511 - bot - INFO - ✅ Polling started successfully!', flush=True)\n"
        + CRASH.replace("sys.exit(3)", "import time; time.sleep(0.4); sys.exit(3)")
    )

    def test_told_once_and_reminded_once(self, stage):
        """Turns within a repeat interval are one alert; the first turn after it one reminder, as loud."""
        repeat = rules["CONFLICT_409"].alert.repeat
        for ahead in (0, repeat / 2, repeat + 10, repeat + 20):
            assert stage.begin(*run_at(ahead, self.TURN)).ended() == 3

        told = ours(stage.sentry, ahead=2 * repeat)
        assert codes(told) == ["CONFLICT_409"] * 2
        assert [event["level"] for event in told] == ["fatal", "fatal"]
        assert [event["contexts"]["incident"]["count"] for event in told] == [1, 3]

    def test_without_a_disk_repeats_are_one_event(self, stage):
        """Nothing survives a turn: each one tells, under the same event id within a repeat interval."""
        for ahead in (0, 10):
            stage.begin(*run_at(ahead, self.TURN), LOGRULES_STATE=":memory:").ended()

        assert len(ours(stage.sentry, ahead=60)) == 2
        assert len(stage.sentry.events) in {1, 2}  # 2 where the turns have fallen into two intervals


class TestBadInput:
    """The bot goes on, says so once, and people are told all the same."""

    def check(self, stage, process, *words):
        assert process.ended() == 3
        assert SAID in process.said
        (said,) = [event["message"] for event in process.of("ALERT_UNDELIVERED")]
        assert all(word in said for word in words), said
        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]

    def test_state_that_cannot_be_made(self, stage):
        """A folder where nothing can be written."""
        process = stage.begin(*WRAPPED, "-c", CRASH, LOGRULES_STATE="/proc/x/y.db")
        self.check(stage, process, "/proc/x/y.db", "LOGRULES_STATE")

    def test_state_that_is_corrupt(self, stage):
        """A file that was a database once."""
        (stage.folder / "state.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
        process = stage.begin(*WRAPPED, "-c", CRASH)
        self.check(stage, process, "state.db", "mv ")

    def test_state_that_somebody_holds(self, stage):
        """Another program has locked the file and does not let go."""
        holder = sqlite3.connect(stage.folder / "state.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            process = stage.begin(*WRAPPED, "-c", CRASH)
            self.check(stage, process, "fuser")
        finally:
            holder.close()

    def test_full_disk(self, stage):
        """Not a byte more than the file's first ones can be written."""
        limited = (
            "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); os.execv(sys.argv[1], sys.argv[1:])"
        )
        process = stage.begin(sys.executable, "-c", limited, *WRAPPED, "-c", CRASH)
        self.check(stage, process, "state.db", "disk")

    @pytest.mark.parametrize("dead", ["http://key@no-such-host.invalid/1", "http://key@127.0.0.1:1/1"])
    def test_receiver_that_is_not_there(self, stage, dead):
        """A DSN whose host is unknown or deaf: the end is the command's own, and what it ended of is said."""
        process = stage.begin(*WRAPPED, "-c", CRASH, SENTRY_DSN=dead, LOGRULES_FLUSH="0.5")

        assert process.ended() == 3
        (said,) = [event for event in process.of("ALERT_UNDELIVERED") if "attrs" in event]
        assert said["attrs"]["alert"] == "CONFLICT_409"
        assert "Render Dashboard" in said["attrs"]["remediation"]

    @pytest.mark.parametrize("ahead", [400 * 86400, -400 * 86400])
    def test_clock_that_was_wrong(self, stage, ahead):
        """What was captured by a clock that is years off is told, with a time that Sentry accepts."""
        stage.sentry.down()
        stage.begin(*run_at(ahead, CRASH), LOGRULES_FLUSH="0.1").ended()
        stage.sentry.ok()
        assert stage.begin(*WRAPPED, "-c", "").ended() == 0

        assert codes(ours(stage.sentry)) == ["CONFLICT_409"]

    def test_ten_megabytes_of_traceback(self, stage):
        """A traceback without end, with bytes that are no text: told, cut, and passed through whole."""
        code = (
            "import sys; w = sys.stdout.buffer.write; w(b'Traceback (most recent call last):\\n')\n"
            "frame = b'  File \"bot.py\", line 1, in f\\n    f(\\xff\\xed\\xa0\\x80' + b'x' * 60 + b')\\n'\n"
            "for n in range(100_000): w(frame)\n"
            f"w(b'telegram.error.{CONFLICT}\\n'); sys.stdout.flush(); sys.exit(3)"
        )
        out = "import subprocess as s, sys; sys.exit(s.run(sys.argv[1:], stdout=s.DEVNULL).returncode)"
        process = stage.begin(sys.executable, "-c", out, *WRAPPED, "-c", code)

        assert process.ended() == 3
        (event,) = ours(stage.sentry)
        assert CONFLICT in event["contexts"]["evidence"]["text"]

    def test_exception_of_the_guard_without_end(self, stage, postgres):
        """An exception of ten megabytes with a lone surrogate in it: one line, one alert, both bounded."""
        settings = {"DATABASE_URL": postgres.url}
        process = stage.bot(
            ALONE, BREAK="post_init", SAYS=os.fsdecode(b"\xff\xfe boom "), TIMES=1_500_000, **settings
        )

        assert process.ended() == 70
        assert codes(ours(stage.sentry)) == ["POLLING_START_FAILED"]
        assert max(map(len, process.said.encode().splitlines())) <= 16_000
