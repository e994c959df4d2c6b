"""The commands. Thin: each reads its options and hands over; what it needs is imported when it is called."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

from logrules.core.model import ConfigError, Exit, LogrulesError
from logrules.sidecar import options as sidecar
from logrules.streams import OutputError, complain, ensure_standard

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from logrules.rules import Rules
    from logrules.userpacks import Own


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status, with one clear line: 78 for what the user can put right."""
    ensure_standard()
    asked = sys.argv[1:] if argv is None else argv
    try:
        status = _asked(asked)()
        sys.stdout.flush()
    except OutputError as error:
        return _muted(Exit.UNAVAILABLE, str(error))
    except LogrulesError as error:
        return _refused(error)
    except BrokenPipeError:
        return _muted(Exit.OK)  # the reader has what it wanted
    except OSError as error:
        return _muted(Exit.UNAVAILABLE, f"cannot write the output: {error.strerror or error}")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


def _asked(asked: Sequence[str]) -> Callable[[], int]:
    if [*asked[:2]] == ["run", "--"] and asked[2:]:  # nothing to be parsed: the command waits for no parser
        return partial(_begin, [*asked[2:]])
    from logrules import arguments

    gc.enable()
    options, unknown = arguments.parser(asked).parse_known_args(asked)
    if unknown:  # said by the command's own parser, whose help knows what there is
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return partial(_COMMANDS[options.command], options)


def _refused(error: LogrulesError) -> Exit:
    from logrules.core.guarding.lease import UnavailableError
    from logrules.core.text import language

    complain(error.said(language(os.environ)) if isinstance(error, ConfigError) else str(error))
    return Exit.UNAVAILABLE if isinstance(error, UnavailableError) else Exit.CONFIG


def _muted(status: Exit, why: str | None = None) -> int:
    """End without output: Python would complain once more when it flushes what is left."""
    if why:
        complain(why)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _scan(options: Namespace) -> int:
    from logrules.scanning import scan

    return scan.scan(
        options.files, _known(options), as_json=options.json, coverage=options.rules_report, jobs=options.jobs
    )


def _explain(options: Namespace) -> int:
    from logrules import settings
    from logrules.commands import explain

    words = [_stdin()] if options.words == ["-"] else options.words
    platform = options.on or settings.platform(os.environ)
    return explain.explain(words, _known(options), as_json=options.json, platform=platform)


def _codes(options: Namespace) -> int:
    from logrules.commands import explain

    return explain.codes(_known(options), as_json=options.json)


def _check(options: Namespace) -> int:
    from logrules import settings, userpacks
    from logrules.commands import check

    own = userpacks.own(settings.packs(os.environ))
    asked = userpacks.read(options.packs)
    if not asked:
        _tell(own)
    return check.check(asked or own.texts, own.texts)


def _new_rule(options: Namespace) -> int:
    from logrules.commands import newrule

    text = _stdin() if options.words == ["-"] else " ".join(options.words)
    return newrule.new_rule(text, options.code, _known(options))


def _schema(_options: Namespace) -> int:
    from logrules.commands import newrule

    return newrule.schema()


def _export_rules(options: Namespace) -> int:
    from logrules.commands import export

    return export.sentry_rules(_known(options), options.code, monitor=options.monitor)


def _export_scrubbing(_options: Namespace) -> int:
    from logrules.commands import export

    return export.sentry_scrubbing()


def _export_prometheus(options: Namespace) -> int:
    from logrules import settings
    from logrules.commands import export

    return export.prometheus(_known(options), options.job, settings.runbooks(os.environ))


def _export_sigma(options: Namespace) -> int:
    from logrules.commands import export

    return export.sigma_rules(_known(options), options.code, counted=options.correlations)


def _run(options: Namespace) -> int:
    command = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not command:
        raise LogrulesError(
            "nothing to run. Write the command after two dashes: logrules run -- python bot.py"
        )
    return _begin(command, options)


def _begin(command: Sequence[str], options: Namespace | None = None) -> int:
    from logrules import settings
    from logrules.sidecar.run import run

    name = os.path.basename(command[0])  # noqa: PTH119  pathlib would be imported for it
    read = settings.read(os.environ, command=name)
    # Packs that somebody names must be right before anything starts; those that lie here are read beside it.
    named = read.packs or (options and (options.pack or options.stop_on))
    known = _known(options) if named else None
    return run(command, read, sidecar.read(options, known) if options else sidecar.Options(rules=known))


def _alerts(options: Namespace) -> int:
    from logrules.commands import oncall

    return oncall.alerts(_known(options), as_json=options.json)


def _silence(options: Namespace) -> int:
    from logrules.commands import oncall

    if options.code is None:
        if options.lasts or options.why or options.service or options.end:
            options.parser.error("which CODE? Without one, what is silenced is listed")
        return oncall.silences(_known(options), as_json=options.json)
    if options.end and (options.lasts or options.why):
        options.parser.error("--end ends it now: it takes neither --for nor --why")
    asked = oncall.Asked(options.code, options.lasts, options.why, options.service, options.end)
    return oncall.silence(asked, _known(options), as_json=options.json)


def _status(options: Namespace) -> int:
    from logrules.commands import status

    return status.status(_known(options), as_json=options.json)


def _doctor(options: Namespace) -> int:
    from logrules.doctor import examination
    from logrules.rules import rules

    # Packs of the user's own are looked at with everything else: one that is broken must not end this.
    return examination.doctor(rules.speak(options.lang or rules.lang), as_json=options.json)


def _completion(options: Namespace) -> int:
    from logrules import arguments
    from logrules.commands import completion
    from logrules.rules import rules

    print(completion.script(options.shell, arguments.parser(()), rules))
    return Exit.OK


_COMMANDS = {
    "scan": _scan,
    "explain": _explain,
    "codes": _codes,
    "check": _check,
    "new_rule": _new_rule,
    "schema": _schema,
    "export_rules": _export_rules,
    "export_scrubbing": _export_scrubbing,
    "export_prometheus": _export_prometheus,
    "export_sigma": _export_sigma,
    "run": _run,
    "alerts": _alerts,
    "silence": _silence,
    "status": _status,
    "doctor": _doctor,
    "completion": _completion,
}
"""What each command does, by the name that its parser gives it."""


def _known(options: Namespace | None) -> Rules:
    """Our rules with the user's packs upon them. Raises LogrulesError for a pack that is of no use."""
    from logrules import settings, userpacks
    from logrules.core.text import language
    from logrules.rules import extended

    own = userpacks.own(settings.packs(os.environ), getattr(options, "pack", ()))
    _tell(own)
    return extended(own.texts).speak(getattr(options, "lang", None) or language(os.environ))


def _tell(own: Own) -> None:
    """Say which packs nobody named, so that nobody wonders."""
    from logrules.userpacks import told

    note = told(own)
    if note:
        complain(note)


def _stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
