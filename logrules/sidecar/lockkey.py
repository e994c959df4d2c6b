"""Whose lock `logrules run --lock` takes: of the bot whose token lies in the environment, or of a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules import settings
from logrules.core.guarding.lease import bot_id, lock_key
from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find(name: str | None, environ: Mapping[str, str]) -> int:
    """The lock of that name, or else of the one bot whose token is in `environ`: as `guard()` takes it.

    Raises:
        LogrulesError: There is no such name or token, or more than one bot's; it holds no value.
    """
    if name is not None:
        return lock_key(_checked(name))
    bots = {variable: bot_id(token) for variable, token in _tokens(environ).items()}
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


def token(environ: Mapping[str, str]) -> str | None:
    """The token in `environ`, whatever it is called; None if there is none, or more than one."""
    found = set(_tokens(environ).values())
    return found.pop() if len(found) == 1 else None


def _tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """By their variables: what is named as the bot's token is one, whatever its form."""
    named = {name: environ.get(name, "").strip() for name in settings.TOKENS}
    return settings.tokens(environ) | {name: value for name, value in named.items() if value}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LogrulesError(
            "--lock-key must be 1 to 64 letters, digits, dots, dashes or underscores, such as my-bot; of a "
            "Telegram bot take the digits before the colon of its token, never the token: others see it here"
        )
    return name
