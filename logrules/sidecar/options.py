"""What `logrules run` may be told on its command line; what of it is refused before anything is spawned."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    import argparse

    from logrules.rules import Rules

DESCRIPTION = "Run a bot and watch what it prints: explain it beside its log, and alert."
USAGE = "logrules run [options] -- COMMAND …"
EPILOG = (
    "Its output passes through untouched; signals are forwarded; the exit status is its own. "
    "Explanations go to standard error. No text alone ever stops the command, unless --stop-on says so."
)


LEAST_LINES = 60
"""Lines a minute below which nothing of a bot could be followed any more."""


class OnFatal(StrEnum):
    """What follows a fatal end of the command."""

    EXIT = "exit"
    RESTART = "restart"
    PARK = "park"
    IGNORE = "ignore"


class Beat(StrEnum):
    """By what a heartbeat knows that the command is alive."""

    OUTPUT = "output"
    POLLING = "polling"


class Heartbeat(NamedTuple):
    """What Sentry Crons is told."""

    by: Beat
    minutes: int = 1
    """Between two check-ins, and within which there must be a sign of life."""


class Options(NamedTuple):
    """How the sidecar is to behave; by default as if it were not there."""

    stop_on: frozenset[str] = frozenset()
    """Codes that end the command on the word of its text."""
    on_fatal: OnFatal = OnFatal.EXIT
    restarts: int = 10
    """In a row, before a restart is given up."""
    lock: int | None = None
    """The lock's number, under which alone the command may run."""
    fail_closed: bool = False
    """Whether the command ends when we fail; else it lives on, unwatched."""
    once: bool = False
    """The command is meant to come to an end: status 0 is no news."""
    heartbeat: Heartbeat | None = None
    annotate: bool = True
    """Whether what its output means is said beside it."""
    as_json: bool = False
    """Whether its lines become events."""
    redact: bool = False
    """Whether secrets in its output are masked."""
    max_lines: int | None = None
    """Lines a minute that may go out; None for no limit."""
    rules: Rules | None = None
    """What the output is read by; None: ours, with the packs of the working directory upon them."""

    @property
    def changes_output(self) -> bool:
        """Whether the bytes of the command are not to pass as they are."""
        return self.as_json or self.redact or self.max_lines is not None


def add_arguments(run: argparse.ArgumentParser) -> None:
    """Give the parser of `run` its options."""
    _add_output(run)
    _add_end(run)
    _add_lock(run)


def read(given: argparse.Namespace, rules: Rules | None) -> Options:
    """The options that were given. Raises LogrulesError for what cannot be done."""
    stop_on = _codes(given.stop_on, rules)
    if given.restarts is not None and (given.on_fatal != OnFatal.RESTART or given.restarts < 1):
        raise LogrulesError("--restarts: 1 or more, together with --on-fatal restart")
    if given.max_lines_per_minute is not None and given.max_lines_per_minute < LEAST_LINES:
        raise LogrulesError(f"--max-lines-per-minute: a whole number of {LEAST_LINES} or more, such as 6000")
    if given.lock_key is not None and not given.lock:
        raise LogrulesError("--lock-key names the lock of --lock: give both")
    return Options(
        stop_on=stop_on,
        lock=_lock(given.lock_key) if given.lock else None,
        fail_closed=given.fail == "closed",
        on_fatal=OnFatal(given.on_fatal),
        restarts=Options().restarts if given.restarts is None else given.restarts,
        once=given.once,
        heartbeat=_heartbeat(given.heartbeat),
        annotate=given.annotate == "extra",
        as_json=given.json,
        redact=given.redact,
        max_lines=given.max_lines_per_minute,
        rules=rules,
    )


def _lock(name: str | None) -> int:
    from logrules.sidecar import lockkey

    return lockkey.find(name, os.environ)


def _add_output(run: argparse.ArgumentParser) -> None:
    output = run.add_argument_group("its output", "By default every byte passes through as it is, at once.")
    output.add_argument(
        "--json",
        action="store_true",
        help="turn each line into one JSON event with its level, so that a platform's level filter works; "
        "a JSON line with a level and a message keeps its fields",
    )
    output.add_argument(
        "--redact",
        action="store_true",
        help="mask secrets: values of this environment that are named as one, and what has the form of one",
    )
    output.add_argument(
        "--max-lines-per-minute",
        type=int,
        metavar="N",
        help="leave lines out before the platform drops them (Render: beyond 6000), repeated ones first, "
        "events never; once a minute it says how many",
    )
    output.add_argument(
        "--annotate",
        choices=("extra", "none"),
        default="extra",
        help="extra: explain known signs in lines of their own on standard error, JSON or at a terminal text "
        "(default); none: do not, alerts go out all the same",
    )


def _add_end(run: argparse.ArgumentParser) -> None:
    end = run.add_argument_group(
        "its end", "By default a command ends by itself, or of a token that Telegram refuses."
    )
    end.add_argument(
        "--stop-on",
        action="append",
        default=[],
        metavar="CODE",
        help="end the command, with the code's status, when its log shows CODE; may be given more than once. "
        "Whoever can make the bot print a line can then end it: a bot that prints what its users write raw "
        "lets them imitate CONFLICT_409",
    )
    end.add_argument(
        "--on-fatal",
        choices=[each.value for each in OnFatal],
        default=OnFatal.EXIT.value,
        help="after a fatal end: exit with its status (default); restart: start it again, the first time at "
        "once, then after 5 s, doubled up to 5 min; park: where a restart cures nothing (status 78) stay, "
        "idle and healthy, until a signal, so that the platform does not restart it for ever; ignore: never "
        "end it ourselves, alert only",
    )
    end.add_argument(
        "--restarts",
        type=int,
        metavar="N",
        help="restarts in a row before it is given up (10); a life of ten minutes sets the count back",
    )
    end.add_argument(
        "--once",
        action="store_true",
        help="the command is a job that is meant to end: status 0 is no news",
    )
    end.add_argument(
        "--heartbeat",
        metavar="WHAT[:MINUTES]",
        help="tell Sentry Crons every MINUTES (1) that the bot lives, so that its silence raises an issue. "
        "WHAT is output: it has printed something since; polling: its log shows an answered getUpdates, as "
        "httpx writes it (python-telegram-bot). A guarded bot does this by itself",
    )


def _add_lock(run: argparse.ArgumentParser) -> None:
    lock = run.add_argument_group(
        "one at a time", "Where two instances are started, by a deploy or by mistake, only one may poll."
    )
    lock.add_argument(
        "--lock",
        action="store_true",
        help="run the command only while this instance holds the lock, in the PostgreSQL of DATABASE_URL, or "
        "without one in a file of this host; others stand by, healthy, and have run nothing of it. What the "
        "command starts ends with it; what leaves its process group does not",
    )
    lock.add_argument(
        "--lock-key",
        metavar="NAME",
        help="whose lock: the digits before the colon of a bot's token, or any name; by default those of the "
        "token in the environment, which is the lock that guard() takes",
    )
    lock.add_argument(
        "--fail",
        choices=("open", "closed"),
        default="open",
        help="when logrules itself fails: open: the command lives on, unwatched (default); closed: it is "
        "ended, with status 70. Without its lock it never lives on",
    )


def _codes(given: list[str], rules: Rules | None) -> frozenset[str]:
    """The codes to stop on. Raises LogrulesError for what is none."""
    known = (rules or {}).keys()
    for code in given:
        if code not in known:
            import difflib

            near = difflib.get_close_matches(code.upper().replace("-", "_"), known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise LogrulesError(f"--stop-on: there is no code {code!r}.{meant} List them all: logrules codes")
    return frozenset(given)


def _heartbeat(given: str | None) -> Heartbeat | None:
    if given is None:
        return None
    by, colon, minutes = given.partition(":")
    if by not in {*Beat} or (colon and not re.fullmatch("[1-9][0-9]{0,3}", minutes)):
        raise LogrulesError(
            f"--heartbeat: {given!r} is none. Write output or polling, and if need be the minutes between "
            "two check-ins: --heartbeat output:15"
        )
    return Heartbeat(Beat(by), int(minutes or 1))
