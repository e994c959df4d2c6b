"""What `--help` says beyond the options: which command is for what, examples, exit statuses.

Imported when somebody asks for it, as no other start should pay for it.
"""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUPS = {
    "read logs": ("scan", "explain", "codes"),
    "run a bot": ("run", "doctor"),
    "be on call": ("status", "alerts", "silence"),
    "rules of your own": ("check", "new-rule", "schema"),
    "other tools": ("export", "completion"),
}
"""What people are at, and the commands for it; one that stands nowhere goes to the last."""

WIDTH = 80
"""Columns that every line of a help fits into."""

_INPUT = "78  an option, a setting or a pack is wrong, or a file cannot be read"
_GIVEN = "78  an option, a setting or a pack is wrong; it is named"
_AWAY = "69  the database that was asked cannot be reached"
_OUTPUT = "69  the output cannot be written"

EXAMPLES = {
    "scan": """
        logrules scan bot.log
        docker logs mybot 2>&1 | logrules scan -
        logrules scan --json bot.log.*.gz | jq -r 'select(.fatal).code'
    """,
    "explain": """
        logrules explain CONFLICT_409
        logrules explain "telegram.error.InvalidToken: Unauthorized"
        logrules explain --on render --lang ru TOKEN_INVALID
        tail -100 bot.log | logrules explain -
    """,
    "codes": """
        logrules codes
        logrules codes --json | jq -r 'select(.sign == "bad").code'
    """,
    "check": """
        logrules check                  what lies in this folder
        logrules check my.toml
        logrules check - < my.toml
    """,
    "new-rule": """
        logrules new-rule "ERROR shop: gateway refused order 42" > logrules.toml
        logrules new-rule --code DB_LOCKED - < line.txt
    """,
    "schema": """
        logrules schema > logrules.schema.json
    """,
    "export": """
        logrules export prometheus > logrules.rules.yml
        logrules export sigma > logrules.sigma.yml
        logrules export sentry-scrubbing
    """,
    "export sentry-rules": """
        logrules export sentry-rules --monitor 5678
        logrules export sentry-rules --legacy --code CONFLICT_409
    """,
    "export sentry-scrubbing": """
        logrules export sentry-scrubbing > scrubbing.json
    """,
    "export prometheus": """
        logrules export prometheus > logrules.rules.yml
        promtool check rules logrules.rules.yml
        logrules export prometheus --job mybots --lang ru
    """,
    "export sigma": """
        logrules export sigma > logrules.sigma.yml
        sigma check logrules.sigma.yml
        sigma convert -t loki -f ruler --without-pipeline logrules.sigma.yml
    """,
    "run": """
        logrules run -- python -m mybot
        logrules run --lock -- npm start
        logrules run --json --redact --on-fatal restart -- node bot.js
        logrules run --once -- python manage.py migrate
    """,
    "alerts": """
        logrules alerts
        logrules alerts --json | jq -r .code
    """,
    "silence": """
        logrules silence CONFLICT_409 --for 2h --why "moving the database"
        logrules silence                what is silenced now
        logrules silence CONFLICT_409 --end
    """,
    "status": """
        logrules status
        logrules status --json | jq .
    """,
    "doctor": """
        logrules doctor
        (set -a; . ./.env; logrules doctor)
        logrules doctor --json | jq -r 'select(.state == "bad").code'
    """,
    "completion": """
        eval "$(logrules completion bash)"                      in ~/.bashrc
        logrules completion zsh > ~/.zfunc/_logrules            with fpath+=~/.zfunc
        logrules completion fish > ~/.config/fish/completions/logrules.fish
    """,
}
"""Of each command; two spaces and more end what is to be typed."""

STATUSES = {
    "scan": ("0   everything was read, whatever was found", _OUTPUT, _INPUT),
    "explain": ("0   explained, or the line says nothing", "78  there is no such code; a near one is named"),
    "codes": ("0   listed", _GIVEN),
    "check": ("0   every pack is sound", "78  faults, each with file, line and column"),
    "new-rule": ("0   drafted", "78  the line cannot be told from other lines, or an option is wrong"),
    "schema": ("0   printed",),
    "export": ("0   printed", _GIVEN),
    "export sentry-rules": ("0   printed", _GIVEN),
    "export sentry-scrubbing": ("0   printed",),
    "export prometheus": ("0   printed", _GIVEN),
    "export sigma": ("0   printed", _GIVEN),
    "run": (
        "0-255     the command's own; 128 + n after signal n",
        "126, 127  it may not be run; there is none",
        "69        --lock: the database stays away",
        "70        logrules itself has failed; with --fail closed or --lock only",
        "75        the lock is lost, or a code of --stop-on that a later start may cure",
        "78        an option, a setting or a named pack is wrong; nothing was started;",
        "          or Telegram refuses the token",
    ),
    "alerts": ("0   shown", _AWAY, _GIVEN),
    "silence": ("0   done", _AWAY, _GIVEN),
    "status": ("0   shown, whatever is wrong", _AWAY, _GIVEN),
    "doctor": (
        "0               nothing is wrong",
        "69, 70, 75, 78  that of the worst finding's code",
    ),
    "completion": ("0   printed",),
}  # fmt: skip
"""Of each command, one a line."""


def more(prog: str) -> str:
    """What stands below the options of a command, as `prog` names it."""
    command = prog.partition(" ")[2]
    parts = {
        "examples": textwrap.dedent(EXAMPLES.get(command, "")).strip().splitlines(),
        "exit status": STATUSES.get(command, ()),
    }
    return "".join(
        "\n".join(["", f"{head}:", *(f"  {line}" for line in lines), ""])
        for head, lines in parts.items()
        if lines
    )


def meant(message: str, parser: argparse.ArgumentParser) -> str:
    """What argparse does not say in its `message` of an unknown option or choice: which one was meant."""
    option = re.search(r"unrecognized arguments: (--[\w-]+)", message)
    choice = re.search(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
    if option:
        word, known = option[1], [*parser._option_string_actions]  # noqa: SLF001
    elif choice:
        word, known = choice[1], re.findall(r"[\w-]+", choice[2])
    else:
        return ""
    near = difflib.get_close_matches(word[:100], known, 1)
    return f" Did you mean {near[0]}?" if near else ""


def overview(parser: argparse.ArgumentParser) -> str:
    """The page that `logrules --help` shows: the commands by what they are for."""
    commands = summaries(parser)
    placed = {name for names in GROUPS.values() for name in names}
    lines = ["usage: logrules COMMAND [options]", "", str(parser.description)]
    for title, names in GROUPS.items():
        own = [*names, *sorted(commands.keys() - placed)] if title == [*GROUPS][-1] else names
        lines += ["", f"{title}:", *(_row(name, commands[name]) for name in own if name in commands)]
    lines += ["", "options:", _row("--help", "this page; of one command: logrules COMMAND --help")]
    lines += [_row("--version", "the version"), "", _BEGIN]
    return "\n".join([*lines, ""])


def summaries(parser: argparse.ArgumentParser) -> Mapping[str, str]:
    """What each command of a parser does, in a few words."""
    return {
        choice.dest: choice.help or ""
        for action in parser._actions  # noqa: SLF001  argparse shows its tree nowhere else
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        for choice in action._choices_actions  # noqa: SLF001
    }


def tree(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that there is, with its parser: `export` and `export sigma` alike."""
    yield path, parser
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, below in action.choices.items():
                yield from tree(below, f"{path} {name}".strip())


def _row(name: str, what: str) -> str:
    return textwrap.fill(
        what, WIDTH, initial_indent=f"  {name:<11} ", subsequent_indent=" " * 14, break_on_hyphens=False
    )


_BEGIN = """\
A log in hand:           logrules scan bot.log
A bot, as it is:         logrules run -- python -m mybot
A bot that will not run: logrules doctor"""
