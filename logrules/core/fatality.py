"""Whether what a record states ends the bot: its words decide where the code alone does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logrules.core.model import Sign

if TYPE_CHECKING:
    from logrules.core.ruleset.codes import Code
    from logrules.core.ruleset.patterns import Pattern

_RETRIES = re.compile(
    r"(?i:\b(?:re-?try(?:ing)?|trying again|try again|reconnect(?:ing)?|will retry)\b[^\n]{0,30}?"
    r"(?:\bin\b|\bafter\b|\battempt|\d|\.\.\.)|\battempt \d+ ?(?:/|of) ?\d+)|[Пп]овтор\w* (?:через|попытка)"
)
"""How a program says that it goes on by itself."""
_HEALS = frozenset({"DB_UNREACHABLE", "DB_TOO_MANY_CONNECTIONS", "DB_CONNECTION_LOST", "DB_LOCKED"})
"""What may be gone when he tries again; a wrong password is not."""
_GAVE_UP = re.compile(r"(?i:\bgiv(?:ing|es|en) up\b|\bgave up\b)|[Сс]да[её]т?[мю]ся")
"""…and that it does no longer."""
_HANDLED = re.compile(
    r"Exception ignored in: |(?:Ignoring exception in|Command raised an exception|Cause exception while"
    r"|An exception was raised while|Exception (?:in|while) handling)\b"
)
"""How those who caught an exception announce it: the interpreter, a library around a bot's handlers."""
_SURVIVED = frozenset(
    {"CODE_ERROR", "CONFIG_MISSING", "DISK_FULL", "EVENT_LOOP_MISUSE", "MODULE_MISSING", "OUT_OF_MEMORY"}
)
"""What ends a process at its start, and in a handler only this one call."""
_AT_START = frozenset({"DNS_ERROR", "NETWORK_ERROR", "TLS_ERROR", "DB_SCHEMA_ERROR"})
_STARTS = re.compile(
    r"/getMe failed, reason: |\bApplication startup failed\b|\[SQL: (?:ALTER|CREATE|DROP) "
    r"|\balembic\.util\.exc\.CommandError\b"
    r"|\b(?i:migration) [^\n]{0,120}\bfailed\b"
)
"""A call or a step that programs take once, and do not start without."""
_GIVES_UP = re.compile(
    r"\b(?i:exit(?:ing|s)?|abort(?:ing|s)?|refus(?:e|es|ing)|quit(?:ting|s)?|shutting down|terminating"
    r"|(?:will not|won't|cannot|can't|not) (?:start|run|launch)(?:ing)?)\b"
    r"|[Вв]ыход|[Зз]аверша|[Зз]авершение|[Оо]станавлива|[Сс]крипт уже "
)
_STANDS_BY = re.compile(
    r"(?i:\bstand(?:ing)?[ -]?by\b|\bpassive\b|\bfollower\b|\bskip(?:ping|s)?\b|\bwaiting\b)"
)
"""What becomes of one who finds the lock taken."""


def is_fatal(pattern: Pattern, uncaught: bool, text: str, code: Code) -> bool:  # noqa: FBT001 - a fact
    """Whether the poller does not go on by itself.

    What nobody caught ends the process, whatever it is; who tries a database again goes on by himself.

    Args:
        pattern: what the record states.
        uncaught: whether its error left the program.
        text: the record's.
        code: the pattern's, with its reason.
    """
    if uncaught and (code.sign in {Sign.BAD, Sign.WARN} or pattern.code == "BOT_BLOCKED"):
        return True
    if pattern.code in _HEALS and _RETRIES.search(text) and not _GAVE_UP.search(text):
        return False
    if pattern.code in _AT_START and _STARTS.search(text):
        return True
    if pattern.code in _SURVIVED and _HANDLED.search(text):
        return False
    if pattern.code == "LOCK_WAITING" and (waits := _waits(text)) is not None:
        return not waits
    return code.fatal if pattern.fatal is None else pattern.fatal


def _waits(text: str) -> bool | None:
    """Whether one who found the lock taken stays; None if he does not say."""
    if _STANDS_BY.search(text) or _RETRIES.search(text):
        return True
    return False if _GIVES_UP.search(text) else None
