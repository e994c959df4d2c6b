"""What `logrules run` may be told on its command line; what of it is refused before anything is spawned."""

from __future__ import annotations

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


class Options(NamedTuple):
    """How the sidecar is to behave; by default as if it were not there."""

    stop_on: frozenset[str] = frozenset()
    """Codes that end the command on the word of its text."""
    rules: Rules | None = None
    """What the output is read by; None: ours, with the packs of the working directory upon them."""


def add_arguments(run: argparse.ArgumentParser) -> None:
    """Give the parser of `run` its options."""
    run.add_argument(
        "--stop-on",
        action="append",
        default=[],
        metavar="CODE",
        help="end the command when its log shows CODE; raw chat output could then imitate CONFLICT_409",
    )


def read(given: argparse.Namespace, rules: Rules | None) -> Options:
    """The options that were given. Raises LogrulesError for what cannot be done."""
    stop_on = frozenset(given.stop_on)
    for code in stop_on - (rules or {}).keys():
        raise LogrulesError(f"--stop-on: there is no code {code!r}. List them all: logrules codes")
    return Options(stop_on=stop_on, rules=rules)
