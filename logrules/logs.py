"""What a process says becomes our JSON lines: loguru, standard logging, warnings, uncaught exceptions.

Only what went to standard output or standard error is replaced, with its level and its filters; files and
everything else stay. Coded events do not come through here: they go straight to the console.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import time
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from loguru import logger as loguru_logger

from logrules.core.event import Event
from logrules.core.model import Severity
from logrules.tracebacks import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logrules.core.frame import Frame

_SEVERITIES = (
    (logging.CRITICAL, Severity.CRITICAL),
    (logging.ERROR, Severity.ERROR),
    (logging.WARNING, Severity.WARNING),
    (logging.INFO, Severity.INFO),
)
"""loguru's numbers are the same; its own levels (TRACE 5, SUCCESS 25) fall between."""

_LOGGERS = 256
"""Loggers and levels of which the common part of a line is kept; names may be anything."""

_WRITTEN = "_logrules_written"
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", _WRITTEN}
"""The attributes of a record that are not the caller's `extra`."""


class ConsoleLike(Protocol):
    """Whoever writes events; `logrules.sinks.console.Console` does."""

    def frame(self, event: Event) -> Frame:
        """What the lines of all events like `event` have in common."""

    def write(self, event: Event, line: bytes) -> object:
        """Write `line`, which is of the kind of `event`; never raises."""


def install(console: ConsoleLike, service: str, instance: str, *, keep: bool = False) -> None:
    """Turn everything that this process logs into event lines on `console`; `keep` leaves all as it is.

    Levels stay as they are. A second call changes nothing.
    """
    if keep:
        return
    voice = Voice(console, service, instance)
    _replace_loguru(voice)
    _replace_logging(voice)
    _capture_warnings()
    _hook_exceptions(voice)


class Voice:
    """Says what a process logs in the form of an event without a code."""

    def __init__(self, console: ConsoleLike, service: str, instance: str) -> None:
        self._console = console
        self._service = service
        self._instance = instance
        self._frames: dict[tuple[int, str | None], Frame] = {}

    def say(
        self,
        seconds: float,
        level: int,
        message: str,
        *,
        logger: str | None = None,
        error: BaseException | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """One line. `seconds` is since the epoch, `level` a number of standard logging."""
        frame = self._frames.get(key := (level, logger)) or self._frame(key)
        rest: dict[str, Any] = {}
        if attrs:
            rest["attrs"] = attrs
        if error is not None:
            rest["error"] = error_of(error)
        self._console.write(frame.event, frame.line(seconds, message.rstrip("\n"), rest))

    def _frame(self, key: tuple[int, str | None]) -> Frame:
        """What all lines of a logger on one level have in common; kept for the next one."""
        level, logger = key
        event = Event(
            timestamp="", level=_severity(level), message="", service=self._service, instance=self._instance
        )
        if logger:
            event.logger = logger
        if len(self._frames) >= _LOGGERS:
            self._frames.clear()
        frame = self._frames[key] = self._console.frame(event)
        return frame


@lru_cache(64)
def _severity(level: int) -> Severity:
    return next((severity for number, severity in _SEVERITIES if level >= number), Severity.DEBUG)


def _is_standard(stream: object) -> bool:
    """Whether `stream` is standard output or standard error, perhaps wrapped."""
    if stream is None:
        return False
    if any(stream is known for known in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return True
    try:
        return stream.fileno() in {1, 2}  # type: ignore[attr-defined]  # whatever a handler writes to
    except Exception:  # noqa: BLE001  no file at all, a closed one, or somebody's own class
        return False


# --- loguru


def _replace_loguru(voice: Voice) -> None:
    """One sink in place of those that write to a standard stream, for all that any of them shows."""
    core = getattr(loguru_logger, "_core", None)  # loguru has no public list of its handlers
    shown = {
        number: handler
        for number, handler in dict(getattr(core, "handlers", {})).items()
        if _is_standard(getattr(getattr(handler, "_sink", None), "_stream", None))
    }
    if not shown:
        return
    accepts = [(handler.levelno, getattr(handler, "_filter", None)) for handler in shown.values()]

    def write(record: Mapping[str, Any]) -> bool:
        # Written by the filter, not by the sink: loguru would first format message and traceback, then take a
        # lock that a signal handler, or a log call inside a log call, must not meet twice.
        level = record["level"].no
        if any(level >= least and (wanted is None or wanted(record)) for least, wanted in accepts):
            _say_loguru(voice, record)
        return False

    for number in shown:
        loguru_logger.remove(number)
    loguru_logger.add(
        _never,
        level=min(least for least, _ in accepts),
        filter=write,
        format="{message}",
        backtrace=False,
        diagnose=False,  # the values of variables are full of secrets
        catch=True,
    )


def _never(message: str) -> None:
    """The sink behind a filter that lets nothing pass."""


def _say_loguru(voice: Voice, record: Mapping[str, Any]) -> None:
    exception = record["exception"]
    voice.say(
        record["time"].timestamp(),
        record["level"].no,
        record["message"],
        logger=record["name"],
        error=exception.value if exception else None,
        attrs=record["extra"],
    )


# --- standard logging


class JsonHandler(logging.Handler):
    """Writes each record once, however many handlers of this kind it meets on its way up. Loses none."""

    def __init__(self, voice: Voice, level: int) -> None:
        super().__init__(level)
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record` as an event line; never raises."""
        if getattr(record, _WRITTEN, False):
            return
        setattr(record, _WRITTEN, True)
        try:
            error = record.exc_info[1] if record.exc_info else None
            attrs = {key: value for key, value in vars(record).items() if key not in _STANDARD}
            if record.stack_info:
                attrs["stack_info"] = record.stack_info
            self._voice.say(
                record.created, record.levelno, _message(record), logger=record.name, error=error, attrs=attrs
            )
        except Exception as fault:  # noqa: BLE001  records can be made of anything
            message = f"A log record that cannot be shown: {type(fault).__name__}"
            self._voice.say(time.time(), logging.ERROR, message, logger=str(record.name))


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as fault:  # noqa: BLE001  arguments that do not fit, or that cannot be shown
        message = f"{record.msg} [arguments do not fit: {_shown(record.args)}: {type(fault).__name__}]"
    # A record that came from another process or through a queue brings its traceback as text.
    return f"{message}\n{record.exc_text}" if record.exc_text and not record.exc_info else message


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  a foreign __repr__ may raise anything
        return f"<{type(value).__name__}>"


def _replace_logging(voice: Voice) -> None:
    root = logging.getLogger()
    if not root.handlers:
        # Else the first logging.info(...) would call basicConfig and bring plain text back.
        root.addHandler(JsonHandler(voice, logging.WARNING))
    named = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    for logger in (root, *named):
        for handler in list(logger.handlers):
            if _writes_to_standard(handler):
                logger.removeHandler(handler)
                logger.addHandler(_instead_of(handler, voice))
    if logging.lastResort is not None and _writes_to_standard(logging.lastResort):
        logging.lastResort = _instead_of(logging.lastResort, voice)


def _writes_to_standard(handler: logging.Handler) -> bool:
    rich = getattr(getattr(handler, "console", None), "file", None)  # rich.logging.RichHandler
    return _is_standard(getattr(handler, "stream", None)) or _is_standard(rich)


def _instead_of(handler: logging.Handler, voice: Voice) -> JsonHandler:
    ours = JsonHandler(voice, handler.level)
    ours.filters = list(handler.filters)
    return ours


def _capture_warnings() -> None:
    # Somebody's own showwarning, or one of standard logging that is set already, stays.
    if getattr(warnings.showwarning, "__module__", None) == "warnings":
        logging.captureWarnings(capture=True)


# --- uncaught exceptions


def _hook_exceptions(voice: Voice) -> None:
    """One line with the traceback instead of its plain text; then the process goes on as it would."""
    said_by_main, said_by_thread = sys.excepthook, threading.excepthook

    def on_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        voice.say(time.time(), logging.CRITICAL, f"Uncaught exception: {_line(error)}", error=error)
        _let_others_know(said_by_main, kind, error, trace)

    def on_thread_exception(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or isinstance(args.exc_value, SystemExit):
            return
        name = args.thread.name if args.thread else "unknown"
        message = f"Uncaught exception in thread {name}: {_line(args.exc_value)}"
        voice.say(time.time(), logging.ERROR, message, error=args.exc_value)
        _let_others_know(said_by_thread, args)

    def on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
        message = f"{unraisable.err_msg or 'Exception ignored in'}: {_shown(unraisable.object)}"
        voice.say(time.time(), logging.ERROR, message, error=unraisable.exc_value)

    if said_by_main.__module__ != __name__:
        sys.excepthook, threading.excepthook = on_exception, on_thread_exception
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = on_unraisable


def _line(error: BaseException) -> str:
    described = error_of(error)
    return f"{described.type}: {described.message}" if described.message else described.type


def _let_others_know(hook: Callable[..., object], *args: Any) -> None:
    """Call a hook that somebody else had set, but not what prints: it was said, and redacted."""
    if hook in {sys.__excepthook__, threading.__excepthook__}:
        return
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(Exception):
        hook(*args)
