"""The three standard streams of a command: open, whatever was closed, and told of in clean lines."""

from __future__ import annotations

import io
import os
import sys

from logrules.core.model import LogrulesError


class OutputError(LogrulesError):
    """The command's own output cannot be written; exit status 69."""


def ensure_standard() -> None:
    """Put the null device where a standard stream is closed, before anything else is opened.

    The next descriptor that is opened would take its number: a pipe or socket of ours would then be written
    to as if it were standard output. No command that we start inherits it: closed is closed.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number
    if isinstance(sys.stdout, io.TextIOWrapper):  # an output that knows no arrows gets them spelled out
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  for good
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for good
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  for good


LONGEST = 2000
"""Characters of a complaint: whoever is shown what they wrote wants no megabyte of it."""


def complain(text: str) -> None:
    """One line on standard error: without secrets, and without what would move a terminal's cursor."""
    from logrules.core.redact import Redactor, secrets_in

    clean = Redactor(secrets_in(os.environ))(text)
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in clean)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    try:
        print(f"logrules: {line}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody is there to be told
