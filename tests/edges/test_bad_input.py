"""Every command with what nobody should give it: a sentence that names it, a status, no traceback."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from logrules import arguments, manual
from tests.fuzz.arguments import PASSWORD, TOKEN, Call, call, ended, faults, prepare, settings

URL = f"postgres://u:{PASSWORD}@h/db"
REFUSED = [
    # What there is not.
    ("", {}, 78, "required: COMMAND"),
    ("scann x", {}, 78, "Did you mean scan? See: logrules --help"),
    ("scan --jsn log.txt", {}, 78, "Did you mean --json? See: logrules scan --help"),
    ("scan --js log.txt", {}, 78, "unrecognized arguments: --js"),
    ("run --redct -- true", {}, 78, "Did you mean --redact?"),
    ("export promtheus", {}, 78, "Did you mean prometheus?"),
    ("completion tcsh", {}, 78, "choose from 'bash', 'zsh', 'fish'"),
    ("run --bogus -- true", {}, 78, "unrecognized arguments: --bogus. See: logrules run --help"),
    ("run --bogus", {}, 78, "unrecognized arguments: --bogus. See: logrules run --help"),
    ("explain --bogus X", {}, 78, "unrecognized arguments: --bogus. See: logrules explain --help"),
    ("schema more", {}, 78, "unrecognized arguments: more. See: logrules schema --help"),
    ("explain CONFLICT_408", {}, 78, "there is no code CONFLICT_408. Did you mean CONFLICT_409"),
    ("explain UNAUTHORIZED", {}, 78, "Did you mean TOKEN_INVALID"),
    ("export sigma --code CONFLICT_408", {}, 78, "did you mean 'CONFLICT_409'"),
    ("export sentry-rules --legacy --code CONFLICT_408", {}, 78, "did you mean 'CONFLICT_409'"),
    ("export sentry-rules --legacy --code BOT_BLOCKED", {}, 78, "BOT_BLOCKED wakes nobody"),
    ("new-rule --code nope x failed", {}, 78, "nope"),
    ("silence CONFLICT_408 --for 2h", {}, 78, "CONFLICT_409"),
    ("run --stop-on CONFLICT_408 -- true", {}, 78, "Did you mean CONFLICT_409?"),
    # What is missing.
    ("scan", {}, 78, "required: FILE"),
    ("explain", {}, 78, "required: CODE"),
    ("new-rule", {}, 78, 'required: "LINE"'),
    ("export", {}, 78, "required: WHAT"),
    ("export sentry-rules", {}, 78, "--monitor --legacy is required"),
    ("completion", {}, 78, "required: SHELL"),
    ("run", {}, 78, "nothing to run"),
    ("run --", {}, 78, "nothing to run"),
    ("silence CONFLICT_409", {}, 78, "--for"),
    ("scan nothing.log", {}, 78, "nothing.log: No such file or directory"),
    ("check nothing.toml", {}, 78, "nothing.toml: No such file or directory"),
    ("status", {}, 78, "DATABASE_URL"),
    ("alerts", {"LOGRULES_STATE": "nothing.db"}, 78, "nothing.db"),
    ("alerts", {"LOGRULES_STATE": ":memory:"}, 78, "nothing is kept"),
    # What contradicts itself.
    ("export sentry-rules --legacy --monitor 1", {}, 78, "not allowed with"),
    ("run --restarts 3 -- true", {}, 78, "--on-fatal restart"),
    ("run --lock-key x -- true", {}, 78, "--lock: give both"),
    ("run --heartbeat output -- true", {}, 78, "set SENTRY_DSN"),
    ("silence --for 2h", {}, 78, "which CODE?"),
    ("silence CONFLICT_409 --end --for 2h", {}, 78, "neither --for nor --why"),
    ("silence --end", {}, 78, "which CODE?"),
    # What is of the wrong form.
    ("scan --jobs 0 log.txt", {}, 78, "'0' is no number of processes"),
    ("scan --jobs ² log.txt", {}, 78, "is no number of processes"),
    ("export sentry-rules --monitor x", {}, 78, "invalid int value: 'x'"),
    ('export prometheus --job a"b', {}, 78, "--job: the job_name"),
    ("run --max-lines-per-minute 5 -- true", {}, 78, "60 or more"),
    ("run --max-lines-per-minute many -- true", {}, 78, "invalid int value"),
    ("run --heartbeat output:0 -- true", {}, 78, "--heartbeat output:15"),
    ("silence CONFLICT_409 --why x --for soon", {}, 78, "30m"),
    ("silence CONFLICT_409 --why x --for 9999d", {}, 78, "at most 30d"),
    ("codes --lang de", {}, 78, "choose from 'en', 'ru'"),
    ("codes --pack bad.toml", {}, 78, "not UTF-8"),
    ("codes --pack folder", {}, 78, "no pack in the folder"),
    ("codes --pack /dev/zero", {}, 78, "it is no file"),
    (("new-rule", "   indented"), {}, 78, "state nothing"),
    (("new-rule", "1 2 3"), {}, 78, "the same each time"),
    # Surroundings.
    ("codes", {"LOGRULES_PACKS": "nothing.toml"}, 78, "nothing.toml: No such file"),
    ("alerts", {"LOGRULES_STATE_URL": "http://x"}, 78, "LOGRULES_STATE_URL"),
    ("alerts", {"LOGRULES_STATE": "log.txt"}, 78, "log.txt"),
    ("alerts", {"LOGRULES_STATE": "folder"}, 78, "folder"),
    ("run -- true", {"LOGRULES_OVERLAP": "soon"}, 78, "LOGRULES_OVERLAP must be a number of seconds"),
    ("run -- true", {"LOGRULES_LEASE": "-1"}, 78, "LOGRULES_LEASE"),
    ("run -- true", {"SENTRY_DSN": f"https://{PASSWORD}@"}, 78, "SENTRY_DSN"),
    ("run -- true", {"LOGRULES_ALERT_TOKEN": PASSWORD}, 78, "LOGRULES_ALERT_TOKEN"),
    ("run -- true", {"LOGRULES_ALERT_WEBHOOK": "ftp://x"}, 78, "LOGRULES_ALERT_WEBHOOK"),
    ("alerts", {"LOGRULES_STATE_URL": URL.replace("@h", "@127.0.0.1:9")}, 69, "cannot be used"),
    ("run --lock -- true", {"ONE": TOKEN, "TWO": f"9{TOKEN}"}, 78, "ONE"),
    # What moves a terminal, and what is endless.
    ("scan \x1b[31m\n", {}, 78, r"\x1b[31m\n"),
    (f"codes {'x' * 100_000}", {}, 78, " … "),
    (f"scan {TOKEN} {URL}", {}, 78, "123456789:***"),
    ("explain --pack \udcff x", {}, 78, r"\udcff"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("input"))
        prepare()
        yield


@pytest.mark.parametrize(("words", "environ", "status", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_is_named(words, environ, status, said):
    """One call: its status, its sentence, and on the way there neither a traceback nor a secret."""
    typed = words if isinstance(words, tuple) else tuple(words.split(" ") if words else ())
    found = ended(Call(typed, {"HOME": ".", **environ}))
    lines = found.err.splitlines()

    assert found.status == status
    assert said in found.err
    assert [*faults(found)] == []
    assert found.out == ""
    assert all(line.startswith("logrules: ") for line in lines)
    assert len(lines) == 1 or typed[0] in {"alerts", "scan"}  # which store it is; one line per file
    assert len(found.err) < 4000


def test_what_nobody_would_type():
    """A hundred calls thrown by dice, the same each time; `make fuzz-cli` throws more."""
    dice = random.Random(409)
    commands = [each for each in manual.tree(arguments.parser(())) if each[0] not in {"run", "doctor"}]
    names = settings()
    calls = [call(dice, commands, names) for _ in range(100)]

    assert [(str(each), fault) for each in calls for fault in faults(ended(each))] == []


def test_a_help_that_cannot_be_written_is_told_of():
    """A full disk is no success: status 69, whoever's words they were."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "logrules", "--help"], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert (done.returncode, done.stderr.count(b"\n")) == (69, 1)
    assert b"cannot write the output" in done.stderr
