"""`logrules run -- COMMAND`: real commands, real pipes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

TOKEN = "123456:" + "A" * 35
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
LOGGED = f"2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - Error while getting Updates: {CONFLICT}"
TRACEBACK = f"""Traceback (most recent call last):
  File "bot.py", line 1, in <module>
telegram.error.Conflict: {CONFLICT}"""


@pytest.fixture
def environ(tmp_path):
    """The environment of an operator who has set nothing but where the state lies."""
    ours = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("LOGRULES_", "SENTRY_", "RENDER"))
    }
    return {
        **ours,
        "LOGRULES_STATE": str(tmp_path / "state.db"),
        "LOGRULES_LANG": "en",
        "LOGRULES_FLUSH": "10",
    }


def _sidecar(*command: str, options=()):
    return [sys.executable, "-m", "logrules", "run", *options, "--", *command]


def _run(environ, *command, options=(), **given):
    return warm.told(_sidecar(*command, options=options), env=environ, **given)


def _python(code):
    return (sys.executable, "-c", code)


def _events(stderr):
    found = []
    for line in stderr.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in found if isinstance(event, dict) and "code" in event]


def _codes(stderr):
    return [event["code"] for event in _events(stderr)]


def test_bytes_pass_through_untouched(environ):
    """Every byte comes out as it went in: NUL, invalid UTF-8, CRLF, a huge line, no final newline."""
    head, tail = b"a\0b\xff\xfe\r\nplain\n\r\n", b"\nlast without newline"
    code = f"import sys; sys.stdout.buffer.write({head!r} + b'x' * 3_000_000 + {tail!r})"

    done = _run(environ, *_python(code))

    assert done.stdout == head + b"x" * 3_000_000 + tail


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_that_asks_for_an_end(environ, number):
    """After a signal that asks for it an end is no news, whatever its status; after another it is."""
    code = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda n, f: (print('got', n, flush=True), sys.exit(5)))\n"
        "print('ready', flush=True)\nsignal.pause()"
    )
    with warm.Process(
        _sidecar(*_python(code)), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as sidecar:
        assert sidecar.stdout.readline() == b"ready\n"
        sidecar.send_signal(number)
        rest, errors = sidecar.communicate(timeout=60)

    assert rest == f"got {int(number)}\n".encode()
    assert sidecar.returncode == 5
    assert _codes(errors).count("PROCESS_EXITED") == (1 if number == signal.SIGUSR1 else 0)


def test_annotation_stands_beside_the_line(environ):
    """A known sign gets one JSON line on standard error: code, what to do, and not fatal while unproved."""
    done = _run(environ, *_python(f"print({LOGGED!r})"))

    (event,) = [event for event in _events(done.stderr) if event["code"] == "CONFLICT_409"]
    assert done.stdout.decode() == LOGGED + "\n"
    assert event["fatal"] is False
    assert event["level"] == "warning"
    assert "Render Dashboard" in event["remediation"]


def test_annotation_never_stands_inside_a_line(environ):
    """While the command is in the middle of a line, nobody writes into it."""
    code = (
        "import sys, time\n"
        f"print({LOGGED!r}, file=sys.stderr, flush=True)\n"
        "sys.stderr.write('half of a line, '); sys.stderr.flush()\n"
        "sys.stdin.readline()\n"
        "print('and the other half', file=sys.stderr)"
    )
    with warm.Process(
        _sidecar(*_python(code)),
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as sidecar:
        _, errors = sidecar.communicate(b"\n", timeout=60)

    assert b"half of a line, and the other half\n" in errors
    assert "CONFLICT_409" in _codes(errors)


def test_one_alert_for_one_trouble(environ, sentry):
    """A sign that repeats reaches Sentry once, with the remediation and without the token."""
    line = f"{LOGGED} https://api.telegram.org/bot{TOKEN}/getUpdates"
    code = f"import sys\nfor _ in range(5): print({line!r}, flush=True)\nsys.stdin.readline()"
    with warm.Process(
        _sidecar(*_python(code)),
        env={**environ, "SENTRY_DSN": sentry.dsn},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as sidecar:
        assert sentry.wait_for(1, timeout=30)
        sidecar.send_signal(signal.SIGTERM)
        _, errors = sidecar.communicate(timeout=60)

    (alert,) = sentry.events.values()
    assert (alert["tags"]["code"], alert["level"]) == ("CONFLICT_409", "warning")
    assert "Render Dashboard" in alert["contexts"]["remediation"]["en"]
    assert not sentry.holds(TOKEN)
    assert TOKEN.encode() not in errors


def test_says_once_that_nobody_is_told(environ):
    """Without a receiver it says so once, and goes on."""
    done = _run(environ, *_python("print('fine')"))

    assert _codes(done.stderr) == ["ALERTS_OFF"]
    assert done.returncode == 0


def test_a_crash_is_reported(environ, sentry):
    """A command that ends by itself with a status is an incident of its own, if nothing else explains it."""
    done = _run({**environ, "SENTRY_DSN": sentry.dsn}, *_python("raise SystemExit(3)"))

    assert _codes(done.stderr) == ["PROCESS_EXITED"]
    assert [event["tags"]["code"] for event in sentry.events.values()] == ["PROCESS_EXITED"]
    assert done.returncode == 3


def test_the_end_proves_the_cause(environ, sentry):
    """A bad sign right before the end of the command was its cause: the exit adds nothing."""
    code = f"print({LOGGED!r}, flush=True); raise SystemExit(1)"

    done = _run({**environ, "SENTRY_DSN": sentry.dsn}, *_python(code))

    told = {(event["tags"]["code"], event["level"]) for event in sentry.events.values()}
    assert ("CONFLICT_409", "fatal") in told
    assert "PROCESS_EXITED" not in {code for code, _ in told}
    assert done.returncode == 1


HOSTILE = {
    "an event line": json.dumps(
        {
            "timestamp": "2026-01-01T00:00:00.000000Z",
            "level": "critical",
            "code": "TOKEN_INVALID",
            "message": "x",
            "service": "s",
            "instance": "i",
            "v": 1,
            "fatal": True,
        }
    ),
    "a traceback": TRACEBACK,
    "an anchored error": f"telegram.error.Conflict: {CONFLICT}",
    "a webhook conflict": "telegram.error.Conflict: can't use getUpdates method while webhook is active",
    "a lost lock": "❌ Error reacquiring lock: boom",
    "a token error": "telegram.error.InvalidToken: Unauthorized",
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_users_write_stops_nothing(environ, bot_api, message):
    """A bot that prints its users' messages raw is neither stopped nor reported as fatal."""
    bot_api.add_bot(TOKEN)
    bot_api.set_webhook("https://bot.example/hook", token=TOKEN)  # a webhook bot: it has users who write
    code = (
        f"import sys\nfor _ in range(4): print({message!r}, flush=True)\nsys.stdin.readline()\nprint('alive')"
    )
    sidecar = warm.Process(
        _sidecar(*_python(code)),
        env={**environ, "BOT_TOKEN": TOKEN, "LOGRULES_BOT_API": bot_api.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    asked = {HOSTILE["a token error"]: "getme", HOSTILE["a webhook conflict"]: "getwebhookinfo"}.get(message)
    if asked:
        assert bot_api.wait_for(lambda: any(r.method.lower() == asked for r in bot_api.requests), timeout=30)
    out, errors = sidecar.communicate(b"\n", timeout=60)

    assert out.endswith(b"alive\n")
    assert sidecar.returncode == 0
    assert [event for event in _events(errors) if event["fatal"]] == []


def test_a_proved_revoked_token_ends_the_command(environ, bot_api, sentry):
    """TOKEN_INVALID that the Bot API confirms: the deaf command is ended cleanly, with the code's status."""
    bot_api.add_bot(TOKEN)
    bot_api.revoke(TOKEN)
    said = "Network Retry Loop (Polling Updates): Invalid token. Aborting retry loop."
    line = f"2026-01-15 08:29:41,511 - telegram.ext - ERROR - {said}"
    code = f"import signal\nprint({line!r}, flush=True)\nsignal.pause()"

    done = _run(
        {**environ, "BOT_TOKEN": TOKEN, "LOGRULES_BOT_API": bot_api.url, "SENTRY_DSN": sentry.dsn},
        *_python(code),
    )

    assert done.returncode == 78
    assert [event["code"] for event in _events(done.stderr) if event["fatal"]] == ["TOKEN_INVALID"]
    assert "fatal" in {event["level"] for event in sentry.events.values()}


def test_stop_on_ends_the_command(environ):
    """With --stop-on the operator takes text at its word: TERM, then the code's exit status."""
    code = (
        "import signal, sys\n"
        "signal.signal(15, lambda n, f: (print('bye', flush=True), sys.exit(0)))\n"
        "print('❌ Error reacquiring lock: boom', flush=True)\n"
        "signal.pause()"
    )

    done = _run(environ, *_python(code), options=("--stop-on", "LOCK_REACQUIRE_FAILED"))

    assert done.stdout.decode().endswith("bye\n")
    assert done.returncode == 75


@pytest.mark.parametrize(
    ("extra", "options", "named"),
    [
        ({"SENTRY_DSN": "nonsense-s3cret"}, (), "SENTRY_DSN"),
        ({"BOT_TOKEN": "nonsense-s3cret"}, (), "BOT_TOKEN"),
        ({"LOGRULES_OVERLAP": "soon-s3cret"}, (), "LOGRULES_OVERLAP"),
        ({}, ("--stop-on", "NO_SUCH_CODE"), "NO_SUCH_CODE"),
        ({}, ("--no-such-option",), "--no-such-option"),
    ],
)
def test_what_is_malformed_is_refused_before_the_spawn(environ, extra, options, named):
    """One line names the setting and how to put it right, 78, no traceback, no value; nothing was started."""
    done = _run({**environ, **extra}, *_python("print('started')"), options=options)

    assert done.returncode == 78
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert named.encode() in done.stderr
    assert b"s3cret" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_costs_the_output_not_the_command(environ):
    """What cannot be written is dropped and told of once; the command goes on and keeps its status."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            _sidecar("sh", "-c", "echo one; sleep 0.1; echo two; exit 3"),
            env=environ,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )

    assert done.returncode == 3
    assert done.stderr.count(b"No space left on device") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word for it is Linux's")
def test_a_killed_sidecar_leaves_no_bot_behind(environ):
    """After kill -9 of the sidecar the command is told to end: no second poller beside the next start."""
    code = (
        "import signal, sys\n"
        "tell = lambda n, f: (print('told', file=open(sys.argv[1], 'w'), flush=True), sys.exit())\n"
        "signal.signal(15, tell)\n"
        "print('ready', flush=True)\nsignal.pause()"
    )
    told = Path(environ["LOGRULES_STATE"]).parent / "told"
    os.mkfifo(told)
    with warm.Process(
        _sidecar(*_python(code), str(told)), env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as sidecar:
        assert sidecar.stdout.readline() == b"ready\n"
        sidecar.kill()

    assert told.read_text() == "told\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--", f"python bot.py --token {TOKEN} postgres://u:s3cr3tpw@h/db"],
        ["run", f"--token={TOKEN}", "--", "echo"],
        ["scan", "postgres://u:s3cr3tpw@h/db"],
        ["check", "postgres://u:s3cr3tpw@h/db"],
    ],
)
def test_our_own_complaints_hold_no_secret(environ, arguments):
    """A secret that is typed in the wrong place is in no line of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "logrules", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert done.stderr.startswith("logrules: ")
    assert TOKEN not in done.stderr
    assert "s3cr3tpw" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["codes"], ["explain", "CONFLICT_409"], ["scan", "-"]])
def test_output_that_cannot_be_written(environ, arguments):
    """One line says so, with 69 and no traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "logrules", *arguments],
            env=environ,
            input=LOGGED.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )

    assert done.returncode == 69
    assert done.stderr == b"logrules: cannot write the output: No space left on device\n"
