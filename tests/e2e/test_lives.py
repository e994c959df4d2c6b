"""What follows the end of a command under `logrules run`: nothing, another life, or staying without one."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
import urllib.error
import urllib.request

import pytest

from logrules.testing.ports import free_port
from tests.e2e.test_alerting import Stage, codes, ours

RUN = (sys.executable, "-m", "logrules", "run")
QUICK = (
    "import sys; from logrules.core.guarding import restarts; restarts.FIRST = float(sys.argv.pop(1)); "
    "from logrules.cli import main; sys.exit(main(sys.argv[1:]))"
)
COUNTED = (
    "import sys; from logrules.sources import memory; counts = iter((7, 8)); "
    "memory.kills = lambda: next(counts); from logrules.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""`logrules` where the kernel counts one more process that it has killed for want of memory."""
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
SAID = f"2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - Error while getting Updates: {CONFLICT}"
REVOKED = "Network Retry Loop (Polling Updates): Invalid token. Aborting retry loop."
DEAF = f"import signal; print('ERROR:telegram.ext:{REVOKED}', flush=True); signal.pause()"
STARTED = "2026-01-15 08:29:41,511 - telegram.ext.Application - INFO - Application started"


@pytest.fixture
def stage(bot_api, sentry, tmp_path):
    made = Stage(bot_api, sentry, tmp_path)
    yield made
    made.close()


def run(stage, *options, command, delay=5, **more):
    """Start a shell's command under `run`; the first restart that waits, waits so many seconds."""
    return stage.begin(
        sys.executable, "-c", QUICK, str(delay), "run", *options, "--", "sh", "-c", command, **more
    )


def test_restarts_are_lives_of_one_command(stage):
    """A command that fails is started again, at once and then with growing delays: it is one incident."""
    lives = stage.folder / "lives"
    command = (
        f"echo life >> {lives}; if [ $(wc -l < {lives}) -lt 4 ]; then echo {shlex.quote(SAID)}; exit 1; fi; "
        "trap 'exit 5' TERM; echo '{\"code\": \"UP\"}'; while :; do sleep 0.1; done"
    )
    bot = run(stage, "--on-fatal", "restart", command=command, delay=0.1)
    bot.wait("UP")
    bot.signal(signal.SIGTERM)

    assert bot.ended() == 5
    assert [event["attrs"]["row"] for event in bot.of("START_DELAYED")] == [2, 3]
    first, second = (event["attrs"]["seconds"] for event in bot.of("START_DELAYED"))
    assert first < second
    assert len([event for event in bot.of("CONFLICT_409") if event["fatal"]]) == 3
    told = ours(stage.sentry)
    assert codes(told) == ["CONFLICT_409"]
    assert told[0]["level"] == "fatal"


def test_restarts_end(stage):
    """After so many restarts in a row, or a TERM amid a delay, the platform gets the command's own status."""
    lives = stage.folder / "lives"
    given_up = run(
        stage, "--on-fatal", "restart", "--restarts", "2", command=f"echo life >> {lives}; exit 3", delay=0.1
    )
    asked = run(stage, "--on-fatal", "restart", command="exit 4", delay=300)
    asked.wait("START_DELAYED")
    asked.signal(signal.SIGTERM)

    assert asked.ended() == 4
    assert given_up.ended() == 3
    assert lives.read_text() == "life\n" * 3
    assert "--restarts allows 2" in given_up.said


@pytest.mark.long
def test_what_a_restart_does_not_cure(stage):
    """A refused token is not tried again: the platform hears of it at once or, parked, at a TERM."""
    port = free_port()
    stage.api.revoke()
    deaf = shlex.join(["exec", sys.executable, "-c", DEAF])
    restarted = run(stage, "--on-fatal", "restart", command=deaf)
    parked = run(stage, "--on-fatal", "park", command=deaf, PORT=port)
    named = {"BOT_TOKEN": "", "MY_TOKEN": stage.api.token, "LOGRULES_SERVICE": "alone"}
    left_alone = run(stage, "--on-fatal", "ignore", command=deaf, **named)

    assert restarted.ended() == 78
    assert restarted.of("START_DELAYED") == []
    assert state(port) == "parked"
    parked.signal(signal.SIGTERM)
    assert parked.ended() == 78
    stage.sentry.wait_for(lambda: [e for e in ours(stage.sentry) if e["tags"]["service"] == "alone"])
    left_alone.signal(signal.SIGTERM)
    assert left_alone.ended() == 128 + signal.SIGTERM
    assert [event["fatal"] for event in left_alone.of("TOKEN_INVALID")] == [False, True]


def state(port):
    """What a platform's probe hears, as soon as anybody answers; only a healthy answer counts."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
                return json.load(answer)["state"]
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.1)  # nobody tells when a port is taken


def test_what_a_command_ended_of(stage):
    """A signal is named with its reason, a want of memory by its code; status 0 is news of a bot only."""
    said = shlex.quote(STARTED)
    killed = run(stage, command="kill -KILL $$", LOGRULES_SERVICE="killed")
    kill = ("sh", "-c", "kill -KILL $$")
    starved = stage.begin(sys.executable, "-c", COUNTED, "run", "--", *kill, LOGRULES_SERVICE="starved")
    returned = run(stage, command=f"echo {said}", LOGRULES_SERVICE="returned")
    quiet = [
        run(stage, command="echo migrated", LOGRULES_SERVICE="job"),
        run(stage, "--once", command=f"echo {said}", LOGRULES_SERVICE="once"),
    ]

    assert [each.ended() for each in (killed, starved, returned, *quiet)] == [137, 137, 0, 0, 0]
    (event,) = killed.of("PROCESS_EXITED")
    assert (event["reason"], event["fatal"]) == ("killed", True)
    assert "SIGKILL" in event["message"]
    assert [starved.of("PROCESS_EXITED"), len(starved.of("OUT_OF_MEMORY"))] == [[], 1]
    (event,) = returned.of("PROCESS_EXITED")
    assert (event["reason"], event["fatal"]) == ("returned", False)
    assert [each.of("PROCESS_EXITED") for each in quiet] == [[], []]
    told = {event["tags"]["service"]: event["level"] for event in ours(stage.sentry)}
    assert told == {"killed": "error", "starved": "fatal", "returned": "error"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--stop-on", "conflict-408"), "Did you mean CONFLICT_409?"),
        (("--on-fatal", "die"), "--on-fatal"),
        (("--restarts", "3"), "--on-fatal restart"),
        (("--on-fatal", "restart", "--restarts", "0"), "1 or more"),
        (("--heartbeat", "pulse"), "--heartbeat output:15"),
        (("--heartbeat", "output:0"), "--heartbeat output:15"),
        (("--heartbeat", "output"), "SENTRY_DSN"),
    ],
)
def test_refusals(stage, options, named):
    """What cannot be meant is refused with 78 before anything is started: one line says what can."""
    bot = run(stage, *options, command="echo started", SENTRY_DSN="")

    assert bot.ended() == 78
    assert named in bot.said
    assert bot.said.count("\n") == 1
