"""What the commands may be told on their command lines. It takes a while: a plain `run` goes without."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from logrules import __version__
from logrules.core.model import Exit
from logrules.sidecar import options as sidecar
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS = ("render", "railway", "fly", "heroku", "docker", "kubernetes", "systemd", "local")

_STORE = (
    "It acts on the store that the bot's own settings name, and says which one: the database of "
    "LOGRULES_STATE_URL, from any machine, or else the file of LOGRULES_STATE. A running bot hears of it at "
    "once through the file, and within ten seconds through the database."
)


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        # As wide as argparse makes it, without what it imports to find that out, which every start would pay.
        try:
            columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(1).columns or 80
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **given: Any) -> None:
        # An abbreviation would change its meaning with the next option that begins like it.
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **given)

    def format_help(self) -> str:
        from logrules import manual

        whole = " " not in self.prog
        return manual.overview(self) if whole else super().format_help() + manual.more(self.prog)

    def error(self, message: str) -> NoReturn:
        from logrules import manual

        complain(f"{message}.{manual.meant(message, self)} See: {self.prog} --help")
        self.exit(Exit.CONFIG)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse would keep it to itself that a help could not be written.
        print(message, end="", file=file or sys.stderr, flush=True)


def parser(asked: Sequence[str]) -> argparse.ArgumentParser:
    """Of one command, if it is asked for: the others would only take its time."""
    whole = _Parser(
        prog="logrules", description="Turns what a bot prints into codes, and each code into what to do."
    )
    whole.add_argument("--version", action="version", version=f"logrules {__version__}")
    commands = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    known = {
        "scan": _add_scan,
        "explain": _add_explain,
        "codes": _add_codes,
        "check": _add_check,
        "new-rule": _add_new_rule,
        "schema": _add_schema,
        "export": _add_export,
        "run": _add_run,
        "alerts": _add_alerts,
        "silence": _add_silence,
        "status": _add_status,
        "doctor": _add_doctor,
        "completion": _add_completion,
    }
    for name in set(asked[:1]) & known.keys() or known:
        known[name](commands)
    return whole


def _add_scan(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Classify logs: what happened, how often, what to do."
    scan = commands.add_parser("scan", help=text.lower()[:-1], description=text)
    scan.add_argument("files", nargs="+", metavar="FILE", help="a log file; - reads standard input")
    scan.add_argument("--json", action="store_true", help="one JSON line per event, at a terminal too")
    scan.add_argument(
        "--rules-report",
        action="store_true",
        help="how often each rule was met in these files, and which never, instead of events",
    )
    scan.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="how many processes read large files; by default one for each processor",
    )
    _add_common(scan)
    scan.set_defaults(command="scan", parser=scan)


def _add_explain(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Explain codes, or what a line of a log means."
    explain = commands.add_parser("explain", help=text.lower()[:-1], description=text)
    explain.add_argument(
        "words",
        nargs="+",
        metavar='CODE|"LINE"',
        help="codes, a word or number to find them by, or a raw line; - reads standard input",
    )
    explain.add_argument("--json", action="store_true", help="one JSON object per line")
    explain.add_argument(
        "--on",
        metavar="PLATFORM",
        choices=PLATFORMS,
        help=f"show how things are done on one platform only: {', '.join(PLATFORMS)}; by default the "
        "one that this runs on, else all",
    )
    _add_common(explain)
    explain.set_defaults(command="explain", parser=explain)


def _add_codes(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "List every code, grouped by what it says."
    codes = commands.add_parser("codes", help=text.lower()[:-1], description=text)
    codes.add_argument("--json", action="store_true", help="one JSON object per line")
    _add_common(codes)
    codes.set_defaults(command="codes", parser=codes)


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Check packs of patterns and run their samples."
    check = commands.add_parser("check", help=text.lower()[:-1], description=text)
    check.add_argument(
        "packs",
        nargs="*",
        metavar="PACK",
        help="a pack of your own, - for standard input, or a folder of packs; without one, those of "
        "LOGRULES_PACKS or of this folder (logrules.toml, logrules.d/*.toml), else those that we ship",
    )
    check.set_defaults(command="check", parser=check)


def _add_new_rule(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Draft a pattern that recognises a raw line."
    new = commands.add_parser("new-rule", help=text.lower()[:-1], description=text)
    new.add_argument("words", nargs="+", metavar='"LINE"', help="a raw line; - reads standard input")
    new.add_argument("--code", help="what the line means: a code, yours or ours; else the draft makes one up")
    _add_packs(new)
    new.set_defaults(command="new_rule", parser=new)


def _add_schema(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Print the JSON Schema of packs, for your editor."
    schema = commands.add_parser("schema", help=text[0].lower() + text[1:-1], description=text)
    schema.set_defaults(command="schema", parser=schema)


def _add_export(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Print rules for other tools: Sentry, Prometheus, Sigma."
    export = commands.add_parser("export", help=text[0].lower() + text[1:-1], description=text)
    whats = export.add_subparsers(metavar="WHAT", required=True, parser_class=_Parser)
    text = "One alert rule a line: whom Sentry notifies of each code."
    rules = whats.add_parser(
        "sentry-rules",
        help=text[0].lower() + text[1:-1],
        description=text,
        epilog="The fields are those that Sentry documents; these rules were never tried on a live Sentry.",
    )
    api = rules.add_mutually_exclusive_group(required=True)
    api.add_argument(
        "--monitor",
        type=int,
        metavar="ID",
        help="the number of the project's error monitor, for Sentry's API of workflows; "
        "docs/alerts.md tells how to find it",
    )
    api.add_argument(
        "--legacy",
        action="store_true",
        help="for servers that have no monitors yet: /projects/ORGANIZATION/PROJECT/rules/",
    )
    rules.add_argument(
        "--code",
        action="append",
        default=[],
        help="for this code only; without it for all that wake somebody",
    )
    _add_packs(rules)
    rules.set_defaults(command="export_rules", parser=rules)
    text = "Rules for Advanced Data Scrubbing: tokens and passwords that Sentry's own scrubbing leaves."
    scrubbing = whats.add_parser("sentry-scrubbing", help=text[0].lower() + text[1:-1], description=text)
    scrubbing.set_defaults(command="export_scrubbing", parser=scrubbing)
    text = "Alerting rules for Prometheus, upon the /metrics of guarded bots."
    prometheus = whats.add_parser("prometheus", help=text[0].lower() + text[1:-1], description=text)
    prometheus.add_argument(
        "--job",
        default="logrules",
        metavar="NAME",
        help="the job_name under which they are scraped (logrules)",
    )
    _add_common(prometheus)
    prometheus.set_defaults(command="export_prometheus", parser=prometheus)
    text = "Sigma rules, for whatever searches your raw logs: Loki, Elastic, Splunk."
    sigma = whats.add_parser(
        "sigma",
        help=text[:-1],
        description=text,
        epilog="A search finds words wherever they stand, also where somebody quotes them. Where events of "
        "`logrules run` are collected as well, each rule finds its code in them, which is exact.",
    )
    sigma.add_argument(
        "--code",
        action="append",
        default=[],
        help="for this code only; without it for all that wake somebody",
    )
    sigma.add_argument(
        "--correlations",
        action="store_true",
        help="rules that count as well, where one sighting is no incident; not every converter takes them: "
        "that of Loki makes no ruler file of them",
    )
    _add_common(sigma)
    sigma.set_defaults(command="export_sigma", parser=sigma)


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help=sidecar.DESCRIPTION.lower()[:-1],
        description=sidecar.DESCRIPTION,
        usage=sidecar.USAGE,
        epilog=sidecar.EPILOG,
    )
    sidecar.add_arguments(run)
    _add_packs(run.add_argument_group("what is recognised in it"))
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND …", help=argparse.SUPPRESS)
    run.set_defaults(command="run", parser=run)


def _add_alerts(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Show open incidents, and the alerts that were not told or not delivered."
    alerts = commands.add_parser("alerts", help=text[0].lower() + text[1:-1], description=text, epilog=_STORE)
    alerts.add_argument("--json", action="store_true", help="one JSON object per line, at a terminal too")
    _add_common(alerts)
    alerts.set_defaults(command="alerts", parser=alerts)


def _add_silence(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Keep a code from waking anybody for a while; without a code, list what is silenced."
    silence = commands.add_parser(
        "silence", help=text[0].lower() + text[1:-1], description=text, epilog=_STORE
    )
    silence.add_argument("code", nargs="?", metavar="CODE", help="what nobody is to be told of")
    silence.add_argument("--for", dest="lasts", metavar="2h", help="for how long: 90s, 30m, 2h, 1d")
    silence.add_argument("--why", metavar="TEXT", help="the reason, for those who come later")
    silence.add_argument("--service", default="", metavar="NAME", help="of this bot only; else of every one")
    silence.add_argument("--end", action="store_true", help="end it now")
    silence.add_argument("--json", action="store_true", help="one JSON object per line, at a terminal too")
    _add_common(silence)
    silence.set_defaults(command="silence", parser=silence)


def _add_status(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Show who holds each bot's lock, who waits for it, and what is wrong: all bots of one database."
    status = commands.add_parser(
        "status",
        help=text[0].lower() + text[1:-1],
        description=text,
        epilog="It asks the database of DATABASE_URL, over one connection that it closes at once. "
        "Open incidents are those of LOGRULES_STATE_URL, or else of the file of LOGRULES_STATE.",
    )
    status.add_argument("--json", action="store_true", help="one JSON object per line, at a terminal too")
    _add_common(status)
    status.set_defaults(command="status", parser=status)


def _add_doctor(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Examine the environment of a bot that does not start, and say what to do."
    doctor = commands.add_parser(
        "doctor",
        help=text[0].lower() + text[1:-1],
        description=text,
        epilog="Safe beside a bot that runs: it never polls, sends, deletes or locks, and takes at most 15 "
        "seconds. Give it the bot's own environment. The status is 0, or that of the worst finding's code. "
        "With RENDER_API_KEY it lists the services on Render whose settings carry the same token; that was "
        "tried with a double of the documented API, never with Render itself.",
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding")
    _add_lang(doctor)
    doctor.set_defaults(command="doctor", parser=doctor)


def _add_completion(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Print a script that lets your shell complete commands, options and codes."
    completion = commands.add_parser("completion", help=text[0].lower() + text[1:-1], description=text)
    completion.add_argument(
        "shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish"
    )
    completion.set_defaults(command="completion", parser=completion)


def _add_common(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("texts and packs")
    _add_lang(group)
    _add_packs(group)


def _add_lang(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--lang", choices=("en", "ru"), help="the language of the texts (LOGRULES_LANG, else LANG)"
    )


def _add_packs(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        metavar="FILE",
        help="add a pack of your own, or a folder of them, to those of LOGRULES_PACKS, or else of this "
        "folder (logrules.toml and logrules.d/*.toml)",
    )


def _count(text: str) -> int:
    """A whole number above 0."""
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: give 1 or more")
    return int(text)
