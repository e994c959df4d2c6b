"""The commands. Thin: each reads its options and hands over; what it needs is imported when it is called."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from logrules import __version__
from logrules.core.model import Exit, LogrulesError
from logrules.streams import OutputError, complain, ensure_standard

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 78, with one clear line, for what the user can put right."""
    ensure_standard()
    options = _parser().parse_args(argv)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
    except OutputError as error:
        return _muted(Exit.UNAVAILABLE, str(error))
    except LogrulesError as error:
        complain(str(error))
        return Exit.CONFIG
    except BrokenPipeError:
        return _muted(Exit.OK)  # the reader has what it wanted
    except OSError as error:
        return _muted(Exit.UNAVAILABLE, f"cannot write the output: {error.strerror or error}")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


def _muted(status: Exit, why: str | None = None) -> int:
    """End without output: Python would complain once more when it flushes what is left."""
    if why:
        complain(why)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        complain(f"{message}. See: {self.prog} --help")
        self.exit(Exit.CONFIG)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="logrules", description="Turns what a bot prints into codes, and each code into what to do."
    )
    parser.add_argument("--version", action="version", version=f"logrules {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_scan(commands)
    _add_explain(commands)
    _add_codes(commands)
    _add_check(commands)
    _add_new_rule(commands)
    _add_schema(commands)
    _add_run(commands)
    return parser


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
    _add_common(scan, packs=True)
    scan.set_defaults(command=_scan)


def _add_explain(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Explain a code, or what a line of a log means."
    explain = commands.add_parser("explain", help=text.lower()[:-1], description=text)
    explain.add_argument(
        "words", nargs="+", metavar='CODE|"LINE"', help="a code or a raw line; - reads standard input"
    )
    explain.add_argument("--json", action="store_true", help="one JSON object per line")
    _add_common(explain, packs=True)
    explain.set_defaults(command=_explain)


def _add_codes(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "List every code, grouped by what it says."
    codes = commands.add_parser("codes", help=text.lower()[:-1], description=text)
    codes.add_argument("--json", action="store_true", help="one JSON object per line")
    _add_common(codes, packs=False)
    codes.set_defaults(command=_codes)


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Check packs of patterns and run their samples."
    check = commands.add_parser("check", help=text.lower()[:-1], description=text)
    check.add_argument(
        "packs", nargs="*", metavar="PACK", help="a pack of your own; without one, those that logrules ships"
    )
    check.set_defaults(command=_check)


def _add_new_rule(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Draft a pattern that recognises a raw line."
    new = commands.add_parser("new-rule", help=text.lower()[:-1], description=text)
    new.add_argument("words", nargs="+", metavar='"LINE"', help="a raw line; - reads standard input")
    new.add_argument("--code", help="what the line means; without it the draft leaves that to you")
    _add_packs(new)
    new.set_defaults(command=_new_rule)


def _add_schema(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Print the JSON Schema of packs, for your editor."
    schema = commands.add_parser("schema", help=text[0].lower() + text[1:-1], description=text)
    schema.set_defaults(command=_schema)


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Run a bot and watch what it prints: explain it beside its log, and alert."
    run = commands.add_parser(
        "run",
        help=text.lower()[:-1],
        description=text,
        usage="logrules run [options] -- COMMAND …",
        epilog="Its output passes through untouched; signals are forwarded; the exit status is its own. "
        "Explanations go to standard error. No text alone ever stops the command, unless --stop-on says so.",
    )
    run.add_argument(
        "--stop-on",
        action="append",
        default=[],
        metavar="CODE",
        help="end the command when its log shows CODE; raw chat output could then imitate CONFLICT_409",
    )
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND …", help=argparse.SUPPRESS)
    run.set_defaults(command=_run)


def _add_common(command: argparse.ArgumentParser, *, packs: bool) -> None:
    command.add_argument(
        "--lang", choices=("en", "ru"), help="the language of the texts (LOGRULES_LANG, else LANG)"
    )
    if packs:
        _add_packs(command)


def _add_packs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--pack",
        action="append",
        default=[],
        metavar="FILE",
        help="add a pack of your own, or a folder of them",
    )


def _scan(options: argparse.Namespace) -> int:
    from logrules import scan

    return scan.scan(
        options.files,
        _packs(options.pack),
        lang=_lang(options),
        as_json=options.json,
        coverage=options.rules_report,
    )


def _explain(options: argparse.Namespace) -> int:
    from logrules import explain

    words = sys.stdin.read() if options.words == ["-"] else " ".join(options.words)
    return explain.explain(words, _packs(options.pack), lang=_lang(options), as_json=options.json)


def _codes(options: argparse.Namespace) -> int:
    from logrules import explain

    return explain.codes(lang=_lang(options), as_json=options.json)


def _check(options: argparse.Namespace) -> int:
    from logrules import check

    return check.check(_packs(options.packs))


def _new_rule(options: argparse.Namespace) -> int:
    from logrules import newrule

    words = sys.stdin.read() if options.words == ["-"] else " ".join(options.words)
    return newrule.new_rule(words, options.code, _packs(options.pack))


def _schema(_options: argparse.Namespace) -> int:
    from logrules import newrule

    return newrule.schema()


def _run(options: argparse.Namespace) -> int:
    from logrules import runtime, settings

    command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not command:
        raise LogrulesError(
            "nothing to run. Write the command after two dashes: logrules run -- python bot.py"
        )
    name = Path(command[0]).name
    return runtime.run(command, settings.read(os.environ, command=name), _known(options.stop_on))


def _known(codes: Sequence[str]) -> frozenset[str]:
    """The codes as asked for. Raises LogrulesError for one that does not exist."""
    from logrules.rules import rules

    for code in codes:
        if code not in rules:
            raise LogrulesError(f"--stop-on: there is no code {code!r}. List them all: logrules codes")
    return frozenset(codes)


def _lang(options: argparse.Namespace) -> str:
    from logrules.rules import language

    return options.lang or language()


def _packs(paths: Sequence[str]) -> dict[str, str]:
    """File name to text, a folder giving each of its packs. Raises LogrulesError for what cannot be read."""
    found = {}
    # A path stays as it was typed: what is no path must still be recognised, and redacted, in a complaint.
    files = [file for path in paths for file in sorted(map(str, Path(path).glob("*.toml"))) or [path]]
    for path in files:
        try:
            found[path] = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise LogrulesError(
                f"cannot read the pack {path}: {why}. Name a TOML file of patterns"
            ) from error
    return found
