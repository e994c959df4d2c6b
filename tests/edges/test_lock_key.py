"""Whose lock `run --lock` takes, and what of it is refused before anything starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from logrules.cli import main
from logrules.core.guarding.lease import Held, bot_id, lock_key
from logrules.core.model import ConfigError, LogrulesError
from logrules.sidecar import lockkey

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE, OTHER = "123456:" + "A" * 35, "654321:" + "B" * 35


@pytest.mark.parametrize(
    "environ",
    [
        {"BOT_TOKEN": ONE},
        {"MY_TELEGRAM": f" {ONE}\n", "PORTS": "8080:80", "AT": "12:30"},
        {"API_TOKEN": ONE, "TOKEN": ONE, "LOGRULES_ALERT_TOKEN": OTHER},
        {"OLD": "123456:" + "C" * 35, "NEW": ONE},  # revoked and given anew: it is one bot
        {"TELEGRAM_BOT_TOKEN": "123456:short", "EMPTY": ""},
    ],
    ids=["named", "by its form", "twice, and another that alerts", "revoked", "short, but named"],
)
def test_the_lock_of_the_bot_in_the_environment(environ: Mapping[str, str]) -> None:
    """It is the one that guard() takes for that bot: a guarded and a wrapped instance exclude each other."""
    assert lockkey.find(None, environ) == lock_key(bot_id(ONE))
    assert lockkey.find("123456", {"BOT_TOKEN": OTHER}) == lock_key(bot_id(ONE))


def test_no_bot_or_more_than_one_is_asked_about() -> None:
    """The refusal names the variables, never a value, and what to write."""
    with pytest.raises(LogrulesError, match="set BOT_TOKEN, or name the lock with --lock-key"):
        lockkey.find(None, {"PATH": "/bin", "BOT_TOKEN": ""})
    with pytest.raises(LogrulesError, match="A_TOKEN and B_TOKEN hold tokens of different bots") as refused:
        lockkey.find(None, {"A_TOKEN": ONE, "B_TOKEN": OTHER})

    assert not re.search("AAAA|BBBB|123456|654321", str(refused.value))


@pytest.mark.parametrize("name", ["", " ", "my bot", "-x", "ключ", "a" * 65, ONE, "a\n", "../x"])
def test_bad_names_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 78, one line that says what a name is, and the name itself, which may be a token, nowhere."""
    monkeypatch.setenv("LOGRULES_PACKS", "none")
    status = main(["run", "--lock", f"--lock-key={name}", "--", "true"])
    said = capsys.readouterr().err

    assert (status, said.count("\n")) == (78, 1)
    assert "--lock-key must be 1 to 64 letters" in said
    assert "AAAA" not in said


@pytest.mark.parametrize(
    ("options", "environ", "named"),
    [
        (["--lock-key", "shop"], {}, "--lock-key names the lock of --lock"),
        (["--lock"], {"BOT_TOKEN": ONE, "DATABASE_URL": "postgres://u:p@/db"}, "DATABASE_URL"),
        (["--lock"], {"BOT_TOKEN": ONE, "LOGRULES_LEASE": "3"}, "LOGRULES_LEASE"),
        (["--fail", "later"], {}, "--fail"),
    ],
)
def test_what_is_refused_before_anybody_waits(
    options: list[str],
    environ: Mapping[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A lock without a name, an address or durations that make no sense: 78 and one line."""
    for name, value in {"LOGRULES_PACKS": "none", "LOGRULES_STATE": ":memory:", **environ}.items():
        monkeypatch.setenv(name, value)
    try:
        status = main(["run", *options, "--", "true"])
    except SystemExit as ended:  # argparse's own way
        status = int(ended.code or 0)
    said = capsys.readouterr().err

    assert (status, said.count("\n")) == (78, 1)
    assert named in said


def test_what_the_bot_inside_is_told() -> None:
    """The wrapper's lock goes through the environment and comes out the same; nothing else does."""
    held = Held(provable=True, key=-5, epoch=7)

    assert Held.heard(held.told()) == held
    assert Held.heard("host:1:2") == Held(provable=False, key=1, epoch=2)
    for told in ("", "world", "world:1", "world:1:x", "moon:1:2", "world:1:2:3"):
        with pytest.raises(ConfigError, match="only logrules run sets it"):
            Held.heard(told)


def test_the_only_token_is_the_bots() -> None:
    """Whatever its name; with two of them nobody can tell, and one that only sends our alerts is none."""
    assert lockkey.token({"TELEGRAM_API_KEY": f" {ONE}", "PATH": "/bin"}) == ONE
    assert lockkey.token({"TOKEN": ONE, "BOT_TOKEN": ONE}) == ONE
    assert lockkey.token({"TOKEN": ONE, "LOGGER_TOKEN": OTHER}) is None
    assert lockkey.token({"LOGRULES_ALERT_TOKEN": ONE, "TOKEN": "abc"}) is None
