"""`logrules run`: what becomes of the output of real commands, and that nothing of ours holds it up."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TOKEN = "123456789:AAF" + "x" * 32
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
LOGGED = f"2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - Error while getting Updates: {CONFLICT}"


@pytest.fixture
def environ(tmp_path):
    """An operator's environment, with a token to lose."""
    ours = ("LOGRULES_", "SENTRY_", "RENDER", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    state = str(tmp_path / "state.db")
    return {
        **kept,
        "BOT_TOKEN": TOKEN,
        "LOGRULES_STATE": state,
        "LOGRULES_LANG": "en",
        "LOGRULES_FLUSH": "10",
    }


def _run(environ, options, code, **more):
    command = [sys.executable, "-m", "logrules", "run", "--once", *options, "--", sys.executable, "-c", code]
    return subprocess.run(command, env={**environ, **more}, capture_output=True, timeout=120, check=False)


def _objects(output):
    return [json.loads(line) for line in output.splitlines()]


def test_json_makes_every_line_an_event(environ):
    """Both streams become events with levels, ours among them; --annotate none leaves only ours out."""
    code = (
        "import sys\n"
        f"print({LOGGED!r}); print('Traceback (most recent call last):')\n"
        "print('  File x'); print('ValueError')\n"
        'print(\'plain\', file=sys.stderr); print(\'{"level": 40, "pid": 1, "msg": "pino"}\', flush=True)\n'
        "sys.stdout.write('no end')"
    )
    done, quiet = (_run(environ, ("--json", *more), code) for more in ((), ("--annotate", "none")))

    told = [(event["level"], event["message"]) for event in _objects(done.stdout)]
    assert told == [
        ("error", LOGGED),
        ("error", "Traceback (most recent call last):"),
        ("error", "  File x"),
        ("error", "ValueError"),
        ("warning", "pino"),
        ("info", "no end"),
    ]
    errors = _objects(done.stderr)
    assert "plain" in {event["message"] for event in errors}
    assert {event.get("code") for event in errors} == {None, "ALERTS_OFF", "CONFLICT_409"}
    assert {event.get("code") for event in _objects(quiet.stderr)} == {None, "ALERTS_OFF"}
    assert [event["message"] for event in _objects(quiet.stdout)] == [words for _, words in told]


def test_a_secret_is_told_of_or_masked(environ):
    """Without --redact bytes are untouched and one warning names the setting; with it nothing shows."""
    code = (
        f"import sys\nfor _ in range(3): print('GET /bot{TOKEN}/getMe', flush=True)\n"
        f"sys.stderr.write('{TOKEN}')"
    )

    plain, masked = (_run(environ, options, code) for options in ((), ("--redact",)))

    assert plain.stdout == f"GET /bot{TOKEN}/getMe\n".encode() * 3
    (leak,) = [
        event for event in _objects(plain.stderr.split(b"\n", 1)[1]) if event["code"] == "SECRET_IN_LOG"
    ]
    assert leak["attrs"]["secret"] == "the value of BOT_TOKEN"
    assert TOKEN[10:] not in json.dumps(leak)
    assert masked.stdout == b"GET /bot123456789:***/getMe\n" * 3
    assert TOKEN[10:].encode() not in masked.stderr
    assert b"SECRET_IN_LOG" not in masked.stderr


def test_thinning_says_what_it_left_out(environ):
    """Of a flood the limit goes out, an error at its end as well; what was left out is counted, masked."""
    code = f"for n in range(5000): print('tick', n, '{TOKEN}')\nprint('ERROR: at last', flush=True)"

    done = _run(environ, ("--max-lines-per-minute", "100", "--json"), code)

    events = _objects(done.stdout)
    assert len(events) <= 100
    assert events[-1]["message"] == "ERROR: at last"
    (told,) = [event for event in _objects(done.stderr) if "left_out" in event.get("attrs", {})]
    assert told["attrs"]["left_out"] + len(events) == 5001
    assert "tick" in told["message"]
    assert TOKEN[10:] not in json.dumps(told)


def test_a_flood_passes_whole_and_unread_bytes_are_owned_up_to(environ):
    """What comes faster than it can be read is passed on to the last byte, and what went unread is said.

    What the command says last is read all the same.
    """
    code = (
        "import os\n"
        f"line = b'{LOGGED} no. %d\\n'\n"
        "block = b''.join(line % n for n in range(8000))\n"
        "for _ in range(40): os.write(1, block)\n"
        "os.write(1, b'telegram.error.InvalidToken: Unauthorized\\n')\n"
        "os._exit(3)"
    )
    command = [sys.executable, "-m", "logrules", "run", "--", sys.executable, "-c", code]

    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = process.stdout.read().count(b"\n")
        errors = process.stderr.read()

    assert lines == 40 * 8000 + 1
    assert process.returncode == 3
    events = _objects(errors)
    assert (
        sum(event["attrs"]["unread_bytes"] for event in events if "unread_bytes" in event.get("attrs", {}))
        > 0
    )
    assert "TOKEN_INVALID" in {event.get("code") for event in events}


def test_refusals(environ):
    """What cannot be meant is refused before anything starts."""
    few = _run(environ, ("--max-lines-per-minute", "5"), "print('started')")
    odd = _run(environ, ("--annotate", "loud"), "print('started')")

    for done, named in ((few, b"--max-lines-per-minute"), (odd, b"--annotate")):
        assert (done.returncode, done.stdout) == (78, b"")
        assert done.stderr.count(b"\n") == 1
        assert named in done.stderr
