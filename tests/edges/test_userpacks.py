"""Packs of the user's own: found beside the bot by all that uses rules, and harmless whatever they hold."""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logrules.cli import main
from logrules.core.model import ConfigError
from logrules.core.ruleset.pack import PackError
from logrules.rules import packs, rules
from logrules.userpacks import known, own, read
from tests import warm

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ROOT = Path(__file__).parents[2]
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
    "PYTHONPATH": str(ROOT),
}
SHOP = """format = 0
[code.SHOP_CLOSED]
sign = "bad"
summary = "The shop is closed."
remediation = ["Open it."]
[code.CONFLICT_409]
severity = "error"
remediation = ["Call Bob."]
[[pattern]]
code = "SHOP_CLOSED"
any = ['the shop has closed']
match = ['ERROR - the shop has closed']
"""
LINE = "ERROR - the shop has closed"
CONFLICT = "telegram.error.Conflict: Conflict: terminated by other getUpdates request"


def named(word: str, code: str = "DB_LOCKED") -> str:
    return (
        f"format = 0\n[[pattern]]\ncode = '{code}'\nany = ['{word} happened']\nmatch = ['{word} happened']\n"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: Path, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """One command in a working directory."""
    command = [sys.executable, "-m", "logrules", *arguments]
    return warm.run(command, data=stdin, cwd=folder, env=ENVIRON | environ)


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["code"] for line in done.stdout.splitlines()]


FOUND = "logrules: with logrules.toml, found here (LOGRULES_PACKS=none leaves packs out)\n"


def test_what_lies_beside_the_bot_is_found_and_told(folder: Path) -> None:
    """scan, explain, codes and new-rule know its patterns, codes and words, and say on standard error why."""
    (folder / "logrules.toml").write_text(SHOP)
    scanned = run(folder, "scan", "-", stdin=f"{LINE}\n{CONFLICT}\n")
    events = [json.loads(line) for line in scanned.stdout.splitlines()]

    avoid = rules.speak("en")["CONFLICT_409"].why("other_getupdates").avoid
    assert [(event["code"], event["remediation"]) for event in events] == [
        ("SHOP_CLOSED", "Open it."),
        ("CONFLICT_409", " ".join(["Call Bob.", *avoid])),
    ]
    assert scanned.stderr == FOUND
    assert "The shop is closed." in run(folder, "explain", LINE).stdout
    assert run(folder, "explain", "shop_closed").stdout.startswith("✖ SHOP_CLOSED\n")
    assert "  SHOP_CLOSED " in run(folder, "codes").stdout
    assert "knows this line already, as SHOP_CLOSED" in run(folder, "new-rule", LINE).stderr


def test_the_working_directory_and_no_other(folder: Path) -> None:
    """Neither the folder above nor the one below is looked into."""
    (folder / "logrules.toml").write_text(SHOP)
    below = folder / "below"
    below.mkdir()

    assert run(below, "scan", "-", stdin=LINE).stderr == ""
    assert codes(run(below, "scan", "-", stdin=LINE)) == []
    assert codes(run(below, "scan", "--pack", "..", "-", stdin=LINE)) == ["SHOP_CLOSED"]


def test_the_order_of_packs(folder: Path) -> None:
    """logrules.toml, then logrules.d by name, then --pack in its order: the later has the last word."""
    (folder / "logrules.d").mkdir()
    for name in (
        "logrules.toml",
        "logrules.d/b.toml",
        "logrules.d/a.toml",
        "logrules.d/.c.toml",
        "x.toml",
        "y.toml",
    ):
        (folder / name).write_text(named("boom"))
    packs = own(None, ["y.toml", "x.toml"])

    assert list(packs.texts) == [
        "x.toml",
        "y.toml",
        "logrules.d/b.toml",
        "logrules.d/a.toml",
        "logrules.toml",
    ]
    assert packs.found == ("logrules.toml", "logrules.d/a.toml", "logrules.d/b.toml")
    assert list(own(("x.toml", "logrules.d"), ["logrules.toml"]).texts) == [
        "logrules.toml",
        "logrules.d/b.toml",
        "logrules.d/a.toml",
        "x.toml",
    ]
    assert own(()) == ({}, ())


def test_a_pack_is_read_once(folder: Path) -> None:
    """Under two names it is still one, and the later name counts."""
    (folder / "logrules.toml").write_text(named("boom"))
    (folder / "same.toml").symlink_to("logrules.toml")

    assert list(own(None, ["./logrules.toml", "same.toml"]).texts) == ["same.toml"]


def test_the_setting_stands_in_the_place_of_the_search(folder: Path) -> None:
    """LOGRULES_PACKS names files and folders as PATH does; `none` leaves packs out."""
    (folder / "logrules.toml").write_text(SHOP)
    (folder / "other.toml").write_text(named("boom"))
    text = f"{LINE}\nboom happened\n"

    assert codes(run(folder, "scan", "-", stdin=text)) == ["SHOP_CLOSED"]
    assert codes(run(folder, "scan", "-", stdin=text, LOGRULES_PACKS="other.toml")) == ["DB_LOCKED"]
    assert codes(
        run(folder, "scan", "-", stdin=text, LOGRULES_PACKS=f"other.toml{os.pathsep}logrules.toml")
    ) == [
        "SHOP_CLOSED",
        "DB_LOCKED",
    ]
    none = run(folder, "scan", "-", stdin=text, LOGRULES_PACKS="none")
    assert (codes(none), none.stderr) == ([], "")


def test_check_looks_at_what_is_found(folder: Path) -> None:
    """Without a name the user's packs are checked, each told with what it holds."""
    (folder / "logrules.toml").write_text(SHOP)
    good = run(folder, "check")

    assert (good.returncode, good.stderr) == (0, FOUND)
    assert good.stdout == (
        "logrules.toml: 1 pattern, 2 codes\n1 pack well formed, and every sample gives its code\n"
    )
    (folder / "logrules.d").mkdir()
    (folder / "logrules.d" / "a.toml").write_text(
        named("boom", "SHOP_CLOSED") + named("boom").split("\n", 1)[1]
    )
    bad = run(folder, "check")
    assert bad.returncode == 78
    assert (
        "logrules.d/a.toml:8:8: pattern 2 (DB_LOCKED): the same expression stands in pattern 1 of"
        in bad.stderr
    )
    assert "2 packs" in bad.stderr
    assert run(folder, "check", "logrules.d/a.toml").stderr == bad.stderr.partition("\n")[2].replace(
        "2 packs", "1 pack"
    )


def test_check_without_packs_of_ones_own_looks_at_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file stands for all that we ship: it is sound, and is not once a sample of it is wrong."""
    (folder / "logrules.toml").write_text("no pack")
    monkeypatch.setenv("LOGRULES_PACKS", "none")
    sound = packs()["telebot.toml"]
    wrong = sound + "[[pattern]]\ncode = 'DB_LOCKED'\nany = ['nowhere']\nmatch = ['a healthy line']\n"
    said = []
    for text in (sound, wrong):
        monkeypatch.setattr("logrules.commands.check.shipped", lambda text=text: {"telebot.toml": text})
        said.append((main(["check"]), *capsys.readouterr()))

    assert said[0] == (0, "1 pack well formed, and every sample gives its code\n", "")
    assert (said[1][0], said[1][1]) == (78, "")
    assert "`match` sample gives no code: 'a healthy line'" in said[1][2]


def test_check_tries_nothing_that_is_broken(folder: Path) -> None:
    """An expression that could take for ever is told of, and not run on its own sample."""
    sample = f"boom {'a' * 60}"
    (folder / "my.toml").write_text(
        f"format = 0\n[[pattern]]\ncode = 'DB_LOCKED'\nany = ['boom (?:a+)+!']\nmatch = ['{sample}']\n"
    )
    done = run(folder, "check", "my.toml")

    assert done.stderr.splitlines()[0].startswith(
        "my.toml:4:8: pattern 1 (DB_LOCKED): 'boom (?:a+)+!' can take for ever"
    )
    assert done.stderr.splitlines()[1] == "1 fault in 1 pack"


def test_what_stands_twice(folder: Path) -> None:
    """A code or an expression in two packs is a mistake that check tells, with both places."""
    (folder / "a.toml").write_text(SHOP)
    (folder / "b.toml").write_text(SHOP)
    said = run(folder, "check", "a.toml", "b.toml").stderr

    assert "b.toml:2:1: code SHOP_CLOSED: the same code stands in a.toml: keep one" in said
    assert (
        "b.toml:11:8: pattern 1 (SHOP_CLOSED): the same expression stands in pattern 1 of a.toml: keep one"
        in said
    )


def test_a_pack_from_a_pipe(folder: Path) -> None:
    """`logrules new-rule LINE | logrules check -`: whatever is drafted is accepted."""
    drafted = run(folder, "new-rule", "ERROR - Payment gateway refused order 42: 'no money'")

    assert run(folder, "check", "-", stdin=drafted.stdout).returncode == 0
    assert drafted.stdout.startswith("#:schema ./logrules.schema.json\nformat = 0\n")


def test_a_draft_may_go_to_where_it_is_found(folder: Path) -> None:
    """The shell makes the file before the command runs: an empty pack disturbs nobody but check."""
    (folder / "logrules.toml").write_text("")
    drafted = run(folder, "new-rule", "ERROR - Payment gateway refused order 42")

    assert (drafted.returncode, drafted.stdout[:9]) == (0, "#:schema ")
    assert "there is nothing in it" in run(folder, "check").stderr


REFUSED: dict[str, Any] = {
    "nothing": (None, "No such file"),
    "utf-16": (
        codecs.BOM_UTF16_LE + SHOP.encode("utf-16-le"),
        "it is UTF-16 text, not UTF-8 text: save it as UTF-8",
    ),
    "latin-1": (b"format = 0\n# caf\xe9\n", "it is not UTF-8 text (line 2): save it as UTF-8"),
    "too long": (b"#" * 3_000_000, "that is no pack"),
    "no toml": (b"[[pattern", "not valid TOML"),
}


COMMANDS = [
    ["check", "my.toml"],
    ["scan", "--pack", "my.toml", "-"],
    ["run", "--pack", "my.toml", "--", "touch", "begun"],
]


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_pack_that_is_named_must_be_one(
    command: list[str], data: bytes | None, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear line, status 78, before anything is done or started."""
    if data is not None:
        (folder / "my.toml").write_bytes(data)
    status = main(command)
    out, err = capsys.readouterr()

    assert (status, out) == (78, "")
    assert "my.toml" in err
    assert why in err
    assert err.count("\n") <= 2
    assert not (folder / "begun").exists()


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_no_pack(name: str, folder: Path) -> None:
    """`check ''` does not quietly mean the folder it stands in."""
    (folder / "logrules.toml").write_text(SHOP)
    done = run(folder, "check", name)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == "logrules: an empty name is no pack: name a TOML file, or a folder of them\n"


def test_an_empty_folder_is_no_pack(folder: Path) -> None:
    """Who names a folder means the packs in it."""
    (folder / "none").mkdir()

    with pytest.raises(PackError, match="there is no pack in the folder none"):
        read(["none"])


@pytest.mark.parametrize("name", ["logrules.toml", "my.toml"])
def test_nothing_but_a_file_is_read(name: str, folder: Path) -> None:
    """A pipe, a device or a folder is refused at once, named or found: none of them keeps us waiting."""
    for make in (
        lambda: os.mkfifo(name),
        lambda: Path(name).symlink_to("/dev/zero"),
        lambda: Path(name).mkdir(),
    ):
        make()
        done = run(folder, "scan", *(["--pack", name] if name == "my.toml" else []), "-")
        assert done.returncode == 78
        assert name in done.stderr
        Path(name).rmdir() if Path(name).is_dir() else Path(name).unlink()


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder: Path) -> None:
    """What an editor on Windows saves is a pack."""
    (folder / "logrules.toml").write_bytes(codecs.BOM_UTF8 + SHOP.replace("\n", "\r\n").encode())

    assert run(folder, "check").returncode == 0
    assert codes(run(folder, "scan", "-", stdin=LINE)) == ["SHOP_CLOSED"]


def test_a_sidecar_knows_them(folder: Path) -> None:
    """`run` explains in the user's words, and may stop on a code of the user's own."""
    (folder / "logrules.toml").write_text(SHOP + "\n[code.ALERTS_OFF]\nremediation = ['We know.']\n")
    child = [sys.executable, "-c", f"print({LINE!r}, flush=True)"]
    done = run(folder, "run", "--", *child)
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]

    assert (done.returncode, done.stdout) == (0, f"{LINE}\n")
    assert [(event["code"], event["remediation"]) for event in events] == [
        ("ALERTS_OFF", "We know."),
        ("SHOP_CLOSED", "Open it."),
    ]
    assert FOUND in done.stderr
    assert run(folder, "run", "--stop-on", "SHOP_CLOSED", "--", *child).returncode == 0
    unknown = run(folder, "run", "--stop-on", "SHOP_CLOSED", "--", *child, LOGRULES_PACKS="none")
    assert (unknown.returncode, unknown.stdout) == (78, "")


def test_a_broken_pack_that_lies_about_stops_no_bot(folder: Path) -> None:
    """`run` goes on with our rules and says so; where somebody named the pack, nothing is started."""
    (folder / "logrules.toml").write_text("format = 0\npatern = 1\n")
    line = "raise telegram.error.InvalidToken: The token was rejected by the server."
    done = run(folder, "run", "--", sys.executable, "-c", f"print({line[6:]!r})")

    assert done.returncode == 0
    assert (
        "logrules: the packs of the working directory are left out: logrules.toml:2:1: unknown key"
        in done.stderr
    )
    assert '"code":"TOKEN_INVALID"' in done.stderr
    named = run(folder, "run", "--", "true", LOGRULES_PACKS="logrules.toml")
    assert named.returncode == 78
    assert run(folder, "scan", "-").returncode == 78


def test_the_guards_rules(folder: Path) -> None:
    """A guarded bot has the same packs; what lies about broken is told of, what was named is refused."""
    told: list[str] = []
    (folder / "logrules.toml").write_text(SHOP)

    assert known(None, told.append)["CONFLICT_409"].steps == ["Call Bob."]
    assert told.pop().startswith("with logrules.toml, found here")
    assert known((), told.append) is rules
    (folder / "logrules.toml").write_text("format = 0\npatern = 1\n")
    assert known(None, told.append) is rules
    assert told.pop().startswith("the packs of the working directory are left out: logrules.toml:2:1: ")
    with pytest.raises(ConfigError, match=r"^LOGRULES_PACKS: logrules\.toml:2:1: unknown key 'patern'"):
        known(("logrules.toml",), told.append)
    assert told == []


BOT = """
from telegram.ext import ApplicationBuilder
from logrules import guard
guard(ApplicationBuilder().token({token!r}).build())
"""


def test_a_guarded_bot_says_which_packs_it_has(folder: Path) -> None:
    """As an event of its own, before anything else; and it ends with 78 where a named one is broken."""
    (folder / "logrules.toml").write_text(SHOP)
    bot = [sys.executable, "-c", BOT.format(token=TOKEN)]
    environ = ENVIRON | {"LOGRULES_STATE": ":memory:"}
    good = subprocess.run(
        bot, cwd=folder, capture_output=True, text=True, check=False, env=environ, timeout=60
    )
    bad = subprocess.run(
        bot, cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env=environ | {"LOGRULES_PACKS": "none.toml"},
    )  # fmt: skip

    said = json.loads(good.stdout.splitlines()[0])
    assert (good.returncode, said["level"]) == (0, "info")
    assert said["message"].startswith("with logrules.toml, found here")
    refused = json.loads(bad.stdout)
    assert (bad.returncode, refused["code"]) == (78, "CONFIG_INVALID")
    assert refused["message"].startswith("LOGRULES_PACKS: cannot read the pack none.toml: No such file")


def test_a_pack_can_neither_move_a_terminal_nor_tell_a_secret(folder: Path) -> None:
    """Its texts, names and faults reach a terminal clean, and without what the environment keeps secret."""
    (folder / "logrules.toml").write_text(
        "format = 0\n'opensesame99\\u001b]0;x' = 1\n" + f"[code.CONFLICT_409]\nsummary = 'see bot{TOKEN}'\n"
    )
    for arguments in (["check"], ["scan", "-"], ["explain", "CONFLICT_409"]):
        done = run(folder, *arguments, DB_PASSWORD="opensesame99")
        assert done.returncode == 78
        assert "opensesame99" not in done.stderr
        assert TOKEN[7:] not in done.stderr
        assert "\x1b" not in done.stderr
