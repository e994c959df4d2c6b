"""`logrules run --lock`: whole commands under the lock. One poller whatever fails: see tests/chaos."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from logrules.testing import TcpProxy
from logrules.testing.ports import free_port
from tests import warm
from tests.chaos.scenarios import WRAPPER
from tests.chaos.world import TIMERS
from tests.processes import PATIENCE, Bot

RUN = (sys.executable, "-m", "logrules", "run")
CLIENTS = Path(__file__).parents[1] / "data" / "clients"
SOON = """
import sys
import logrules.sinks.health
from logrules.cli import main
logrules.sinks.health.PATIENCE = 0
sys.exit(main())
"""
"""`logrules` for which a port is free at once."""

SERVER = """
import http.server, os, sys
server = http.server.HTTPServer(("", int(os.environ["PORT"])), http.server.BaseHTTPRequestHandler)
print("listening, and held:", os.environ["LOGRULES_LOCK_HELD"].split(":")[0], flush=True)
server.serve_forever()
"""
FAMILY = """
import os, signal, subprocess, sys, time
def end(*_):
    print("grandchild ends in order", flush=True)
    sys.exit()

if sys.argv[1:]:
    signal.signal(signal.SIGTERM, end)
    print("grandchild", os.getpid(), flush=True)
    while True:
        time.sleep(60)
subprocess.Popen([sys.executable, __file__, "grandchild"])
signal.pause()
"""


@pytest.fixture
def begin(bot_api, tmp_path):
    """Start a command in an environment of its own, without a database; at the end none is left."""
    started = []

    def start(*command, name="one", **more):
        ours = ("LOGRULES_", "PG", "SENTRY_", "RENDER", "DATABASE_URL", "PORT")
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
            "BOT_TOKEN": bot_api.token,
            "API": bot_api.url,
            "LOGRULES_BOT_API": bot_api.url,
            "LOGRULES_STATE": ":memory:",
            "LOGRULES_LANG": "en",
            "LOGRULES_INSTANCE": name,
            "TMPDIR": str(tmp_path),
            **{key: str(value) for key, value in more.items()},
        }
        started.append(Bot(name, [*command], environ, warm.begun))
        return started[-1]

    yield start
    for each in started:
        each.close()
        assert bot_api.token.partition(":")[2] not in each.said


def _gone(pid):
    latest = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text("ascii"):
        assert time.monotonic() < latest, f"{pid} lives"
        time.sleep(0.05)


def _guardian_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    commands = {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in children}
    return next(each for each, command in commands.items() if b"guardian.py" in command)


def _health(port):
    latest = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                return json.load(answer)["state"]
        except urllib.error.URLError:
            assert time.monotonic() < latest
            time.sleep(0.05)


def test_who_stands_by_has_run_nothing(begin):
    """It is healthy, on the port that the command then gets; SIGTERM ends it at once, with 0."""
    port = free_port()
    wrapped = (sys.executable, "-c", SOON, "run", "--lock", "--", sys.executable, "-c", SERVER)
    holder = begin(*RUN, "--lock", "--", "sleep", "300", name="holder")
    holder.wait("LOCK_ACQUIRED")
    standby = begin(*wrapped, name="standby", PORT=port)
    third = begin(*wrapped, name="third", PORT=free_port())
    assert standby.wait("LOCK_WAITING")["attrs"]["holder"]["instance"] == "holder"
    third.wait("LOCK_WAITING")

    assert _health(port) == "waiting"
    third.signal(signal.SIGTERM)
    assert third.ended() == 0
    assert third.codes()[-2:] == ["SHUTDOWN_SIGNAL", "SHUTDOWN_CLEAN"]
    assert "listening" not in third.said + standby.said
    holder.signal(signal.SIGTERM)
    assert holder.ended() == 128 + signal.SIGTERM
    assert "listening, and held: host" in standby.wait_for("listening")
    assert standby.codes()[:3] == ["ALERTS_OFF", "LOCK_LOCAL_ONLY", "LOCK_WAITING"]
    standby.signal(signal.SIGKILL)


@pytest.mark.parametrize("how", ["its end", "our death", "the guardian's"])
def test_nothing_of_the_command_outlives_the_lock(begin, tmp_path, how):
    """What it has started ends before the lock is given back, in order; and with us if somebody kills us.

    Who kills the process that would see to that ends both: nobody runs unguarded, under a file's lock either.
    """
    (tmp_path / "family.py").write_text(FAMILY, "utf-8")
    bot = begin(*RUN, "--lock", "--", sys.executable, str(tmp_path / "family.py"), LOGRULES_LEASE="15")
    said = bot.wait_for("grandchild ")
    pid = int(said.partition("grandchild ")[2].split()[0])
    assert os.getpgid(pid) != os.getpgid(bot.process.pid)

    if how == "our death":
        bot.signal(signal.SIGKILL)
        assert bot.ended() == -signal.SIGKILL
        _gone(pid)
        assert "in order" not in bot.said
        return
    if how == "the guardian's":
        os.kill(_guardian_of(bot.process.pid), signal.SIGKILL)
        assert bot.ended() == 75
        _gone(pid)
        assert "LOCK_LOST" in bot.codes()
        return
    bot.signal(signal.SIGTERM)
    assert bot.ended() == 128 + signal.SIGTERM
    _gone(pid)
    order = [bot.said.index(words) for words in ("ends in order", "LOCK_RELEASED")]
    assert order == sorted(order)
    assert "PROCESS_EXITED" not in bot.codes()


def test_a_guarded_bot_inside_takes_no_second_lock(begin, bot_api, postgres, sentry):
    """One session in the database, one voice about the lock; the wrapper alerts of what the bot says."""
    bot = begin(
        *RUN,
        "--lock",
        "--",
        sys.executable,
        "-m",
        "bot",
        DATABASE_URL=postgres.url,
        SENTRY_DSN=sentry.dsn,
        LOGRULES_CONFLICT_GRACE=0,
        LOGRULES_GRACE=0.1,
    )
    bot.wait("POLLING_STARTED")
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'logrules%'"
    assert postgres.query(sessions) == ["1"]
    assert [bot.codes().count(code) for code in ("LOCK_ACQUIRED", "KEEPALIVE_STARTED")] == [1, 1]
    begun = bot.of("POLLING_STARTED")[0]
    assert begun["epoch"] == bot.of("LOCK_ACQUIRED")[0]["epoch"]
    assert begun["pid"] != bot.of("LOCK_ACQUIRED")[0]["pid"]
    bot_api.set_webhook("https://elsewhere.example/hook")
    assert bot.ended() == 75
    assert bot.codes()[-2:] == ["CONFLICT_409", "LOCK_RELEASED"]
    assert [event["tags"]["code"] for event in sentry.events.values()] == ["CONFLICT_409"]


def test_a_lock_that_did_not_reach_the_bot_is_no_deadlock(begin):
    """What starts the bot has closed its descriptors: it would wait for its own wrapper. 78, and why."""
    closes = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-m', 'bot']).returncode)"
    bot = begin(*RUN, "--lock", "--", sys.executable, "-c", closes)

    assert bot.ended() == 78
    assert "LOGRULES_EVENT_FD" in bot.of("CONFIG_INVALID")[0]["message"]


TICKS = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("last words", flush=True))
while True:
    print("tick", time.time(), flush=True)
    time.sleep(0.02)
"""


def test_a_lock_that_is_lost_for_good_ends_the_command(begin, postgres):
    """It is stopped at once, killed when the lock stays away, without a last word; the code's status."""
    with TcpProxy(postgres.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        bot = begin(
            *WRAPPER, sys.executable, "-c", TICKS, DATABASE_URL=url, TIMERS=json.dumps(asdict(TIMERS))
        )
        bot.wait_for("tick")
        proxy.cut(new=True)
        assert bot.ended() == 75
    lost, failed = (datetime.fromisoformat(event["timestamp"]).timestamp() for event in bot.events[-2:])
    ticks = [float(line.split()[1]) for line in bot.said.splitlines() if line.startswith("tick")]

    assert bot.codes()[-2:] == ["LOCK_LOST", "LOCK_REACQUIRE_FAILED"]
    assert max(ticks) < (lost + failed) / 2
    assert "last words" not in bot.said


BROKEN = """
import importlib, os, sys
from logrules.cli import main

def feed(self, chunk):
    raise LookupError("of our own, with " + os.environ["BOT_TOKEN"])

module, _, name = sys.argv.pop(1).rpartition(".")
getattr(importlib.import_module(module), name).feed = feed
sys.exit(main())
"""
"""`logrules` whose engine, or whose loop, fails at the first line."""


@pytest.mark.parametrize("chosen", ["open", "closed"])
@pytest.mark.parametrize("where", ["logrules.core.engine.Engine", "logrules.sidecar.watch.Watch"])
def test_when_logrules_itself_fails(begin, bot_api, sentry, chosen, where):
    """Open: the command goes on, unwatched, to its own end; closed: it is ended in order, with 70."""
    begins = (
        "import signal; signal.signal(15, lambda *_: exit(print('ends in order'))); print('up', flush=True)"
    )
    goes_on = "signal.pause()" if chosen == "closed" else "print('goes on'); exit(3)"
    command = (sys.executable, "-c", f"{begins}; {goes_on}")
    run = ("run", "--fail", chosen, "--")
    bot = begin(sys.executable, "-c", BROKEN, where, *run, *command, SENTRY_DSN=sentry.dsn)

    assert bot.ended() == (3 if chosen == "open" else 70)
    assert ("goes on" in bot.said, "ends in order" in bot.said) == (chosen == "open", chosen == "closed")
    (failed,) = bot.of("WATCH_FAILED")
    assert (failed["fatal"], failed["error"]["type"]) == (chosen == "closed", "LookupError")
    assert [event["tags"]["code"] for event in sentry.events.values()] == ["WATCH_FAILED"]
    assert not sentry.holds(bot_api.token.partition(":")[2])


NO_WAY_OUT = """
import sys
import logrules.sidecar.outlet
from logrules.cli import main

def feed(self, data, now):
    raise LookupError("of our own")

logrules.sidecar.outlet.Outlet.feed = feed
sys.exit(main())
"""
"""`logrules` that cannot change what passes."""


@pytest.mark.parametrize(("option", "passes"), [("--json", True), ("--redact", False)])
def test_when_the_output_cannot_be_changed(begin, option, passes):
    """What was to become events passes as it is; what was to be masked is withheld. The command lives on."""
    says = (sys.executable, "-c", "print('its secret'); exit(3)")
    bot = begin(sys.executable, "-c", NO_WAY_OUT, "run", option, "--", *says)

    assert bot.ended() == 3
    assert ("its secret\n" in bot.said) == passes
    (failed,) = bot.of("WATCH_FAILED")
    assert ("passes as it is" if passes else "is withheld") in failed["message"]


def test_two_wrappers_with_one_outbox(begin, sentry, tmp_path):
    """What both of them see is one incident and one alert; the state survives that one of them is killed."""
    line = "telegram.error.Conflict: Conflict: terminated by other getUpdates request; make sure that"
    code = f"import sys; print({line!r}, flush=True); sys.stdin.read(); import signal; signal.pause()"
    shared = {"SENTRY_DSN": sentry.dsn, "LOGRULES_STATE": tmp_path / "state.db", "LOGRULES_SERVICE": "shop"}
    one, two = (begin(*RUN, "--", sys.executable, "-c", code, name=name, **shared) for name in ("one", "two"))
    one.wait("CONFLICT_409")
    two.wait("CONFLICT_409")
    assert sentry.wait_for(1, timeout=PATIENCE)
    one.signal(signal.SIGKILL)
    one.ended()
    two.signal(signal.SIGTERM)

    assert two.ended() == 128 + signal.SIGTERM
    assert [event["tags"]["code"] for event in sentry.events.values()] == ["CONFLICT_409"]


PACK = """format = 0
[code.SHOP_CLOSED]
sign = "bad"
summary = "The shop is closed."
remediation = ["Open it."]
[[pattern]]
code = "SHOP_CLOSED"
any = ["the shop is closed"]
match = ["ERROR the shop is closed"]
"""


WAITS = """
import time
print("up", flush=True)
while not open("go").read():
    time.sleep(0.05)
print("ERROR the shop is closed")
"""


def test_a_pack_that_breaks_while_the_command_runs(begin, tmp_path, monkeypatch):
    """What was read at the start counts to the end; the next start says what is wrong with it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logrules.toml").write_text(PACK, "utf-8")
    (tmp_path / "go").touch()
    first = begin(*RUN, "--", sys.executable, "-c", WAITS)
    first.wait("ALERTS_OFF")
    (tmp_path / "logrules.toml").write_text(PACK + "patern = 1\n", "utf-8")
    (tmp_path / "go").write_text("go", "utf-8")
    second = begin(*RUN, "--", sys.executable, "-c", WAITS)
    named = begin(*RUN, "--pack", "logrules.toml", "--", sys.executable, "-c", WAITS)

    statuses = (first.ended(), second.ended(), named.ended())
    assert statuses == (0, 0, 78), first.said
    assert (len(first.of("SHOP_CLOSED")), len(second.of("SHOP_CLOSED"))) == (1, 0)
    for later in (second, named):
        assert "logrules.toml:" in later.said
        assert "unknown key" in later.said
    assert "up" not in named.said


def test_at_a_terminal_it_is_the_commands(begin, bot_api, tmp_path):
    """It reads what is typed though it leads a group of its own; Ctrl-C ends it and is no accident."""
    says = "import signal; signal.signal(2, 0); print('got', input()); print('ready'); signal.pause()"
    command = [*RUN, "--lock", "--", sys.executable, "-c", says]
    environ = {
        **os.environ,
        "BOT_TOKEN": bot_api.token,
        "LOGRULES_STATE": ":memory:",
        "TMPDIR": str(tmp_path),
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, environ)
    said = b""
    with os.fdopen(terminal, "r+b", buffering=0) as keys:
        keys.write(b"something\n")
        while b"ready" not in said:
            said += keys.read(4096)
        assert b"got something" in said
        keys.write(b"\x03")
        with contextlib.suppress(OSError):  # a terminal that nobody has open any more
            while part := keys.read(4096):
                said += part
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT
    assert b"LOCK_RELEASED" in said
    assert b"PROCESS_EXITED" not in said
