"""The commands as a shell sees them: real processes, real pipes, a real terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from logrules.arguments import parser
from logrules.cli import main
from logrules.commands.check import faults_of
from logrules.commands.newrule import new_rule
from logrules.core.engine import classify
from logrules.core.text import parts
from logrules.rules import extended, rules
from logrules.sidecar import options
from tests import warm

if TYPE_CHECKING:
    from pathlib import Path

    from logrules.rules import Rule

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
CONFLICT = "telegram.error.Conflict: Conflict: terminated by other getUpdates request"
STARTED = "2026-01-15 08:29:41,511 - bot - INFO - ✅ Polling started successfully!"
COMMAND = (sys.executable, "-m", "logrules")
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
}


def run(*arguments: str, stdin: str | bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
    """One call of a command; standard output is a pipe."""
    return warm.run([*COMMAND, *arguments], data=stdin, env=ENVIRON | environ)


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "-"],
        ["explain", "--lang", "ru", "CONFLICT_409"],
        ["codes", "--json"],
        ["check", "none.toml"],
        ["new-rule", "ERROR - Payment 7 refused"],
        ["schema"],
        ["export", "sentry-rules", "--legacy"],
        ["silence", "CONFLICT_409"],
        ["alerts"],
        ["completion", "bash"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_begins_warm_does_what_python_starts(arguments: list[str], tmp_path: Path) -> None:
    """A command as a shell starts it; the tests' way to begin one says and returns the same."""
    command = [*COMMAND, *arguments]
    data = f"{STARTED}\n{STARTED[:23]} - bot - ERROR - {CONFLICT} ".encode() + b"\xff\n"
    environ = ENVIRON | {"LOGRULES_STATE": str(tmp_path / "bot.sqlite3")}
    cold = subprocess.run(
        command, input=data, env=environ, cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    done = warm.run(command, data=data, env=environ, cwd=tmp_path)

    assert cold.stdout or cold.stderr
    assert (done.returncode, done.stdout.encode(), done.stderr.encode()) == (
        cold.returncode,
        cold.stdout,
        cold.stderr,
    )


class TestExport:
    """What a Sentry project is told, as a shell sends it there."""

    def test_one_rule_for_each_code_that_wakes(self) -> None:
        """Each line is a whole rule of its own; what it rests on is said beside it."""
        done = run("export", "sentry-rules", "--monitor", "5678")
        made = [json.loads(line) for line in done.stdout.splitlines()]

        assert done.returncode == 0
        assert {rule["name"] for rule in made} == {f"logrules: {code}" for code in rules if rules[code].alert}
        assert all(rule["detectorIds"] == [5678] for rule in made)
        assert "never tried" in done.stderr

    def test_codes_of_ones_own(self, tmp_path: Path) -> None:
        """A code of the user's own gets its rule, in the older form as well; `--code` asks for one."""
        pack = tmp_path / "own.toml"
        pack.write_text(
            'format = 0\n[code.SHOP_SHUT]\nsign = "bad"\nsummary = "s"\nremediation = ["r"]\nalert = true\n'
        )
        done = run("export", "sentry-rules", "--legacy", "--code", "SHOP_SHUT", "--pack", str(pack))
        (rule,) = [json.loads(line) for line in done.stdout.splitlines()]

        assert (rule["name"], rule["frequency"]) == ("logrules: SHOP_SHUT", 5)

    def test_scrubbing_is_json(self) -> None:
        """The configuration as Sentry takes it, and nothing else."""
        done = run("export", "sentry-scrubbing")

        assert json.loads(done.stdout).keys() == {"rules", "applications"}
        assert done.stderr == ""


def events(text: str) -> list[dict[str, Any]]:
    """JSON lines, each one valid."""
    return [json.loads(line) for line in text.splitlines()]


def at_terminal(*arguments: str, **environ: str) -> str:
    """What a command prints to a terminal."""
    return warm.at_terminal([*COMMAND, *arguments], env=ENVIRON | {"TERM": "xterm"} | environ)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A short log with a good and a bad sign."""
    path = tmp_path / "bot.log"
    path.write_text(f"noise\n{STARTED}\n{CONFLICT}\nnoise\n{CONFLICT}\n")
    return path


def test_scan_gives_a_json_line_per_event(log: Path) -> None:
    """Code, line, fatal, reason and remediation, in order; exit status 0."""
    done = run("scan", str(log))
    found = events(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert [(e["code"], e["line"], e["fatal"]) for e in found] == [
        ("POLLING_STARTED", 2, False),
        ("CONFLICT_409", 3, True),
        ("CONFLICT_409", 5, True),
    ]
    assert found[1]["reason"] == "other_getupdates"
    assert found[1]["remediation"] == rules.speak("en")["CONFLICT_409"].why("other_getupdates").remediation
    assert found[0]["timestamp"] == "2026-01-15T08:29:41.511000Z"
    assert found[0]["v"] == 1


def test_scan_reads_standard_input(log: Path) -> None:
    """`-` gives what the file gives."""
    assert [e["code"] for e in events(run("scan", "--json", "-", stdin=log.read_bytes()).stdout)] == [
        "POLLING_STARTED", "CONFLICT_409", "CONFLICT_409",
    ]  # fmt: skip


def test_scan_of_a_live_pipe_does_not_wait_for_its_end() -> None:
    """An event is out as soon as its record is closed, while the writer goes on."""
    with subprocess.Popen(
        [*COMMAND, "scan", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRON
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(f"{CONFLICT}\n".encode())
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["code"] == "CONFLICT_409"
        child.stdin.close()
        assert child.wait(60) == 0


def test_scan_says_nothing_of_a_harmless_log(tmp_path: Path) -> None:
    """Nothing found is no failure."""
    path = tmp_path / "empty.log"
    path.write_bytes(b"")

    assert run("scan", str(path)).returncode == 0
    assert run("scan", str(path)).stdout == ""


def test_scan_survives_hostile_bytes() -> None:
    """NUL, invalid UTF-8, CRLF, U+2028, a line of 3 MB and a missing last newline: every event is found."""
    data = (
        b"\0\xff\xfe\r\n" + f"a\u2028b\n{STARTED}\r\n".encode() + b"x" * 3_000_000 + b"\n" + CONFLICT.encode()
    )
    found = events(run("scan", "-", stdin=data).stdout)

    assert [(e["code"], e["line"]) for e in found] == [("POLLING_STARTED", 3), ("CONFLICT_409", 5)]


def test_no_secret_leaves_a_scan(log: Path) -> None:
    """Tokens and passwords in the log are masked, by form and by value, as JSON and for people."""
    secrets = f"https://api.telegram.org/bot{TOKEN}/getUpdates postgres://u:hunter2pass@db/x opensesame99"
    line = f"ERROR - {CONFLICT} {secrets}"
    log.write_text(f"{line}\n{STARTED}\n")
    texts = [
        run("scan", str(log), DB_PASSWORD="opensesame99").stdout,
        at_terminal("scan", str(log), DB_PASSWORD="opensesame99"),
        run("explain", line, DB_PASSWORD="opensesame99").stdout,
        run("explain", "--json", line, DB_PASSWORD="opensesame99").stdout,
    ]

    for text in texts:
        assert "CONFLICT_409" in text
        assert not any(secret in text for secret in (TOKEN[7:], "hunter2pass", "opensesame99"))


def test_a_terminal_gets_a_summary(log: Path) -> None:
    """What happened, when, how often, what to do; the worst first; --json gives JSON there too."""
    shown = at_terminal("scan", str(log))

    assert "✖ CONFLICT_409" in shown
    assert "2 times" in shown
    assert "lines 3…5" in shown
    assert "1. " in shown
    assert shown.index("CONFLICT_409") < shown.index("POLLING_STARTED")
    assert events(at_terminal("scan", "--json", str(log)))[0]["code"] == "POLLING_STARTED"


def test_a_terminal_may_refuse_colours(log: Path) -> None:
    """NO_COLOR is respected."""
    assert "\x1b[3" in at_terminal("scan", str(log))
    assert "\x1b[3" not in at_terminal("scan", str(log), NO_COLOR="1")


def test_control_characters_of_a_log_never_reach_a_terminal(log: Path) -> None:
    """A log cannot move the cursor or change the title of who reads its summary."""
    log.write_text(f"ERROR - {CONFLICT} \x1b]0;pwned\x07 \x9b2J \x08\n")
    shown = at_terminal("scan", str(log), NO_COLOR="1")

    assert not any(bad in shown for bad in ("\x1b]0", "\x07", "\x9b", "\x08"))


def test_the_language_is_the_operators(log: Path) -> None:
    """--lang, else LOGRULES_LANG, else LANG."""
    russian = rules.speak("ru")["CONFLICT_409"].why("other_getupdates").remediation

    assert events(run("scan", "--lang", "ru", str(log)).stdout)[1]["remediation"] == russian
    assert events(run("scan", str(log), LOGRULES_LANG="ru").stdout)[1]["remediation"] == russian
    assert events(run("scan", str(log), LANG="ru_RU.UTF-8").stdout)[1]["remediation"] == russian


def test_a_file_that_cannot_be_read_stops_no_other(log: Path, tmp_path: Path) -> None:
    """One line names it and the cause, the others are scanned, the status is 78."""
    packed = tmp_path / "old.log.gz"
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    done = run("scan", str(tmp_path / "none.log"), str(tmp_path), str(packed), str(log))

    assert done.returncode == 78
    assert len(events(done.stdout)) == 3
    missing, folder, compressed = done.stderr.splitlines()
    assert "none.log: No such file or directory" in missing
    assert "Is a directory" in folder
    assert f"{packed}: its gzip data is damaged or cut short" in compressed


def test_a_reader_that_goes_away_is_no_error(log: Path) -> None:
    """`logrules scan … | head -1` ends quietly."""
    log.write_text(f"{CONFLICT}\n" * 20_000)
    with subprocess.Popen(
        [*COMMAND, "scan", str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON
    ) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 0


PACK = """format = 0
[[pattern]]
code  = "DB_LOCKED"
any   = ['the vault is busy']
match = ['ERROR - the vault is busy']
"""


def test_a_pack_of_ones_own(tmp_path: Path) -> None:
    """--pack adds patterns; `check` runs their samples."""
    pack = tmp_path / "mine.toml"
    pack.write_text(PACK)

    assert run("check", str(pack)).returncode == 0
    found = events(run("scan", "--pack", str(pack), "-", stdin="ERROR - the vault is busy\n").stdout)
    assert [(e["code"], e["rule"]) for e in found] == [("DB_LOCKED", f"{pack.with_suffix('')}/DB_LOCKED")]
    assert run("explain", "--pack", str(pack), "ERROR - the vault is busy").stdout.startswith("✖ DB_LOCKED\n")


def test_a_folder_of_packs(tmp_path: Path) -> None:
    """Every pack of a folder is read."""
    for name, word in (("a", "alpha"), ("b", "omega")):
        (tmp_path / f"{name}.toml").write_text(
            f'format = 0\n[[pattern]]\ncode = "HANDLER_ERROR"\nany = ["{word} no"]\nmatch = ["{word} no"]\n'
        )
    done = run("scan", "--json", "--pack", str(tmp_path), "-", stdin="omega no\nalpha no\n")

    assert [event["code"] for event in events(done.stdout)] == ["HANDLER_ERROR"] * 2


def test_new_rule_drafts_a_pack_that_check_accepts(tmp_path: Path) -> None:
    """The draft goes to a file as it is, and finds the line it was made of; no secret goes with it."""
    line = f"2026-01-15 08:29:41,511 - pay - ERROR - Payment 7 refused for token 123456:{'A' * 35}"
    drafted = run("new-rule", "--code", "UPSTREAM_API_ERROR", line)
    pack = tmp_path / "my.toml"
    pack.write_text(drafted.stdout)

    assert "AAAAAAAA" not in drafted.stdout
    assert run("check", str(pack)).returncode == 0
    assert "UPSTREAM_API_ERROR" in run("scan", "--json", "--pack", str(pack), "-", stdin=line).stdout


def test_new_rule_names_who_knows_the_line_already() -> None:
    """Nobody writes a pattern that there is."""
    done = run("new-rule", "ERROR - Conflict: terminated by other getUpdates request")

    assert "knows this line already, as CONFLICT_409" in done.stderr
    assert "beats  = ['CONFLICT_409']" in done.stdout


def test_the_rules_report_counts_every_rule(log: Path) -> None:
    """Which rules were met, how often, and which never, instead of events."""
    told = [
        json.loads(line) for line in run("scan", "--json", "--rules-report", str(log)).stdout.splitlines()
    ]

    assert told[0]["count"] > 0
    assert told[-1]["count"] == 0
    assert [each["count"] for each in told] == sorted((each["count"] for each in told), reverse=True)


def test_the_schema_is_json() -> None:
    """`logrules schema` prints what an editor reads."""
    assert json.loads(run("schema").stdout)["title"] == "A logrules pack"


def test_check_names_every_fault(tmp_path: Path) -> None:
    """Form and samples alike, each with file, number and cause; status 78."""
    pack = tmp_path / "mine.toml"
    pack.write_text(
        PACK + "ignore = ['ERROR - the vault is busy']\n"
        "[[pattern]]\ncode = 'DB_LOKED'\nany = ['other words']\nmatch = ['other words']\n"
        "[[pattern]]\ncode = 'DISK_FULL'\nany = ['never seen', 'the vault']\n"
        "match = ['the vault is busy', 'no']\n"
    )
    done = run("check", str(pack))

    assert done.returncode == 78
    for fault in (
        f"{pack}:6:11: pattern 1 (DB_LOCKED): `ignore` sample gives DB_LOCKED: 'ERROR - the vault is busy'",
        f"{pack}:8:1: pattern 2 (DB_LOKED): unknown code 'DB_LOKED': did you mean 'DB_LOCKED'?",
        f"{pack}:13:8: pattern 3 (DISK_FULL): no `match` sample is recognised by 'never seen'",
        f"{pack}:14:10: pattern 3 (DISK_FULL): `match` sample is claimed by DB_LOCKED and DISK_FULL",
        f"{pack}:14:31: pattern 3 (DISK_FULL): `match` sample gives no code: 'no'. None of its expressions",
    ):
        assert fault in done.stderr


@pytest.mark.parametrize("command", [["check"], ["scan", "-", "--pack"], ["explain", "x", "--pack"]])
def test_a_pack_that_cannot_be_used(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, not text, or malformed: one clear line, 78, no traceback."""
    bad = tmp_path / "bad.toml"
    for data, why in (
        (None, "No such file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[[pattern", "not valid TOML"),
    ):
        if data:
            bad.write_bytes(data)
        status = main([*command, str(bad)])
        said = capsys.readouterr().err
        assert status == 78
        assert f"{bad}" in said
        assert why in said
        assert "Traceback" not in said


def told(rule: Rule) -> list[str]:
    """Everything that is said of a code."""
    return [rule.summary, *rule.check, *rule.steps, *rule.avoid]


def test_explain_a_code() -> None:
    """What happened, every step, exit status, alert and the reasons told apart, in two languages."""
    english, russian = (
        run("explain", "conflict_409").stdout,
        run("explain", "--lang", "ru", "CONFLICT_409").stdout,
    )

    for text, lang in ((english, "en"), (russian, "ru")):
        rule = rules.speak(lang)["CONFLICT_409"]
        words = " ".join(text.replace("`", "").split())
        assert text.startswith("✖ CONFLICT_409\n")
        assert all(
            " ".join(part.text.replace("`", "").split()) in words
            for said in told(rule)
            for part in parts(said)
        )
        assert "75" in text
        assert "other_getupdates" in text
        assert "webhook_active" in text


def test_explain_a_code_as_json() -> None:
    """One object with everything that is said of the code."""
    (said,) = events(run("explain", "--json", "TOKEN_INVALID").stdout)

    assert (said["code"], said["exit"], said["fatal"], said["sign"]) == ("TOKEN_INVALID", 78, True, "bad")
    assert said["steps"] == rules.speak("en")["TOKEN_INVALID"].steps


def test_explain_a_raw_line(log: Path) -> None:
    """It is classified first; `-` reads a whole log."""
    assert run("explain", CONFLICT).stdout.startswith("✖ CONFLICT_409 (other_getupdates)\n")
    (said,) = events(run("explain", "--json", CONFLICT).stdout)
    assert (said["code"], said["reason"]) == ("CONFLICT_409", "other_getupdates")
    assert "POLLING_STARTED" in run("explain", "-", stdin=log.read_bytes()).stdout


def test_explain_a_line_that_says_nothing() -> None:
    """It says so; that is no failure."""
    done = run("explain", "order 1409 paid")

    assert done.returncode == 0
    assert "says nothing" in done.stdout
    assert run("explain", "--json", "order 1409 paid").stdout == ""


def test_explain_a_word() -> None:
    """A number or a word that is no line leads people to codes, as in the bot; a program is told nothing."""
    for word, code in (("409", "CONFLICT_409"), ("пароль", "DB_AUTH_FAILED")):
        said = run("explain", word).stdout
        assert said.startswith("logrules knows no log line like this.")
        assert f"\n  {code} " in said
    assert run("explain", "--json", "409").stdout == ""


def test_codes_lists_every_code() -> None:
    """As a table grouped by sign, and as JSON."""
    table = run("codes").stdout

    assert all(f"  {code} " in table for code in rules)
    assert table.index("Bad signs") < table.index("Warnings") < table.index("Good signs")
    assert {said["code"] for said in events(run("codes", "--json").stdout)} == set(rules)
    assert "Плохие признаки" in run("codes", "--lang", "ru").stdout


def test_a_wrong_call_is_one_clear_line() -> None:
    """What is wrong, where to read on, status 78, no traceback; all that can be wrong: test_bad_input.py."""
    done = run("scan", "--jsn", "x")

    assert done.returncode == 78
    assert done.stderr.startswith("logrules: ")
    assert done.stderr.endswith("See: logrules scan --help\n")
    assert done.stderr.count("\n") == 1


LINES = [
    "ERROR - it's \"gone\" again... 'no' \\d+ [a] (b) {c} $^ | 50%",
    "ERROR - Loading...",
    "ERROR - shop\tclosed\x07 by \x1b[31mred\x1b[0m hand\x00",
    "ERROR - Заказ 42 не найден: «пусто»",
    "ERROR - 支払い失敗 order 7 🔥🔥",
    "ERROR - " + "very long words " * 20_000,
    "ERROR - " + "x" * 100_000 + " failed",
    "ERROR - 1. 2. 3. 4. 5. 6. 7. 8. 9. 10. 11. 12. 13. 14. 15. gone wrong",
    "ERROR - " + "a1b2c3d4e5f6a7 " * 9 + "lost",
    'Traceback (most recent call last):\n  File "b.py", line 1, in f\n    f()\nshop.Closed: it\'s shut',
    '{"level": "error", "msg": "Payment 7 refused: \\"no\\""}',
    'time="2026-01-15T08:29:41Z" level=error msg="the till says:\\"no\\""',
    "ERROR - Conflict: terminated by other getUpdates request",
    f"ERROR - Payment for bot{TOKEN} refused with opensesame99",
    "WARNING: disk\u2028of\x85shop is full \udce9",
    "bot-1  | 2026-01-15T08:29:41Z ERROR shop: closed for good",
]


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_whatever_is_drafted_is_accepted(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotes, controls, any script and length: check takes it, it finds its line, no secret is in it."""
    monkeypatch.setenv("SHOP_PASSWORD", "opensesame99")
    new_rule(line, None, rules)
    drafted = capsys.readouterr().out
    (name,) = re.findall(r"^\[code\.(\w+)\]$", drafted, re.MULTILINE)
    theirs = extended({"my.toml": drafted})

    assert [str(fault) for fault in faults_of({"my.toml": drafted})] == []
    assert name in [match.code for match in classify(theirs.rulebook, line)]
    assert TOKEN[7:] not in drafted
    assert "opensesame99" not in drafted
    assert len(drafted) < 5000


def test_scan_starts_light() -> None:
    """A scan for programs imports nothing that it does not need."""
    heavy = ("rich", "sentry_sdk", "asyncpg", "loguru", "telegram", "hyperscan", "asyncio")
    code = f"""
import sys
from logrules.cli import main
main(["scan", "--json", "-"])
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"x\n", capture_output=True, check=True, env=ENVIRON
    )

    assert done.stdout.decode().strip() == "[]"


def test_plain_run_waits_for_nothing_that_it_has_no_use_for() -> None:
    """Without options none are parsed, which are the usual ones; what watches the command comes after it."""
    late = ("argparse", "json", "msgspec", "selectors", "threading", "pathlib", "logrules.sidecar.lives")
    code = f"""
import os, sys
os.fork = lambda: os._exit(sum(2 ** at for at, name in enumerate({late!r}) if name in sys.modules))
from logrules.cli import main
main(["run", "--", "true"])
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, env=ENVIRON)
    given = parser(["run"]).parse_args(["run", "--", "true"])

    assert done.returncode == 0
    assert options.read(given, None) == options.Options()
