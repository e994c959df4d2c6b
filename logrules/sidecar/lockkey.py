"""Whose lock `logrules run --lock` takes: of the bot whose token lies in the environment, or of a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.lease import bot_id, lock_key
from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMED = ("BOT_TOKEN", "TELEGRAM_BOT_TOKEN")
_TOKEN = re.compile(r"[0-9]{6,}:[A-Za-z0-9_-]{30,}(/test)?")
"""What has this form is a token, whatever it is called: https://core.telegram.org/bots/api#authorizing-your-bot."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find(name: str | None, environ: Mapping[str, str]) -> int:
    """The lock of that name, or else of the one bot whose token is in `environ`: as `guard()` takes it.

    Raises:
        LogrulesError: There is no such name or token, or more than one bot's; it holds no value.
    """
    if name is not None:
        return lock_key(_checked(name))
    bots = dict(_bots(environ))
    if not bots:
        raise LogrulesError(
            "--lock: which bot's lock? There is no bot token in the environment: set BOT_TOKEN, or name the "
            "lock with --lock-key, such as --lock-key my-bot"
        )
    if len(set(bots.values())) > 1:
        raise LogrulesError(
            f"--lock: which bot's lock? {' and '.join(sorted(bots))} hold tokens of different bots. Say "
            "whose with --lock-key: the digits before the colon of its token"
        )
    return lock_key(next(iter(bots.values())))


def _bots(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that hold a token, and its bot's public id; not of a bot that only sends our alerts."""
    for variable, token in _tokens(environ):
        yield variable, bot_id(token)


def token(environ: Mapping[str, str]) -> str | None:
    """The token in `environ`, whatever it is called; None if there is none, or more than one."""
    found = {token for _, token in _tokens(environ)}
    return found.pop() if len(found) == 1 else None


def _tokens(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable, value in environ.items():
        token = value.strip()
        is_one = _TOKEN.fullmatch(token) and not variable.startswith("LOGRULES_")
        if is_one or (token and variable in NAMED):
            yield variable, token


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LogrulesError(
            "--lock-key must be 1 to 64 letters, digits, dots, dashes or underscores, such as my-bot; of a "
            "Telegram bot take the digits before the colon of its token, never the token: others see it here"
        )
    return name
