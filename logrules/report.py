"""How our own parts speak: one call becomes one coded line, and one match for the store or for the wrapper.

The line comes before the alert: whatever becomes of that, the console has it. The wrapper has it earlier
still: what it reads on the console is then known to be a copy.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from logrules.core.event import Event, of_match, timestamp
from logrules.core.match import Match
from logrules.core.model import Severity
from logrules.rules import rules
from logrules.sinks.console import LineWriter
from logrules.tracebacks import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from logrules.core.frame import Frame
    from logrules.core.match import Alert
    from logrules.rules import Rules
    from logrules.settings import Settings
    from logrules.sinks.console import Console


_KINDS = 256
"""Kinds of reports that are kept; reasons may be anything."""


class AlertsLike(Protocol):
    """Whoever takes matches and decides whether somebody is to be told."""

    def send(self, match: Match) -> None:
        """Take `match`; soon, and without waiting for a receiver."""


class Reporter:
    """Implements `logrules.core.model.Report`. Never raises, and loses no report because of another sink.

    Args:
        settings: Names, language, and the wrapper's descriptor, if there is one.
        console: Gets every line.
        alerts: Gets every match, unless a wrapper does.
        known: What codes mean: ours, with the user's packs upon them.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        console: Console,
        alerts: AlertsLike | None,
        *,
        known: Rules = rules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.known = known
        self._settings = settings
        self._console = console
        self._alerts = alerts
        self._clock = clock
        self._wrapper = _Wrapper(settings.events_fd) if settings.events_fd is not None else None
        self._is_heard = alerts is not None or self._wrapper is not None
        self._is_cut_off = False
        self._kinds: dict[tuple[str, str | None, bool | None], tuple[Match, Frame]] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._kinds.clear)  # their lines name the process
        self.counts: dict[str, int] = defaultdict(int)
        """How often each code was said."""
        self._sending = threading.local()

    def __call__(
        self,
        code: str,
        message: str,
        *,
        reason: str | None = None,
        fatal: bool | None = None,
        error: BaseException | None = None,
        epoch: int | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Report `code`."""
        self.counts[code] += 1
        try:
            now = self._clock()
            kind, frame = self._kinds.get(key := (code, reason, fatal)) or self._kind(key)
            is_plain = epoch is None and attrs is None and error is None
            rest = None if is_plain else _rest(epoch, attrs, error)
            line = frame.line(now, message, rest)
            taken = self._wrapper is not None and self._wrapper.write(line)
            self._console.write(frame.event, line)
            if not taken and self._is_heard:
                self._tell(kind, now, message, rest)
        except Exception as fault:  # noqa: BLE001  whatever we were handed, it is said
            self.remark(Severity.ERROR, f"{code}: {message} (told in part: {type(fault).__name__})")

    def _kind(self, key: tuple[str, str | None, bool | None]) -> tuple[Match, Frame]:
        """What all reports of one kind have in common; kept for the next one."""
        code, reason, fatal = key
        code_spec = self.known.specs.get(code)
        spec = code_spec and code_spec.why(reason)
        match = Match(
            code=code,
            reason=reason,
            fatal=bool(spec and spec.fatal) if fatal is None else fatal,
            level=spec.severity if spec else Severity.WARNING,
            message="",
            service=self._settings.service,
            instance=self._settings.instance,
            time=0.0,
        )
        event = of_match(match, code_spec, self._settings.lang, pid=os.getpid())
        event.timestamp = ""
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        made = self._kinds[key] = match, self._console.frame(event)
        return made

    def annotate(self, match: Match) -> None:
        """Say what somebody else's text means; who is told of it is decided elsewhere."""
        self._console.write(of_match(match, self.known.specs.get(match.code), self._settings.lang))

    def undelivered(self, alert: Alert, receivers: Sequence[str]) -> None:
        """Say what could not be delivered in time, and to whom, so that at least the log holds it."""
        to = f" to {', '.join(receivers)}" if receivers else ""
        attrs = {
            "alert": alert.code,
            "event_id": alert.event_id,
            "title": alert.title,
            "count": alert.count,
            "remediation": alert.remediation.get(self._settings.lang, ""),
        }
        self("ALERT_UNDELIVERED", f"Alert not delivered{to}: {alert.code}: {alert.message}", attrs=attrs)

    def _tell(self, kind: Match, now: float, message: str, rest: dict[str, Any] | None) -> None:
        """Have a match of this `kind` told to people."""
        if self._wrapper is not None:
            self._complain_once()
        # A sink that reports its own trouble while it is being served gets no second task from that.
        if self._alerts is not None and not getattr(self._sending, "now", False):
            self._sending.now = True
            try:
                self._alerts.send(_match(kind, now, message, rest))
            except Exception as error:  # noqa: BLE001  a bot must not die of its alerts
                self("ALERT_UNDELIVERED", f"Alert not taken: {kind.code}: {message}", error=error)
            finally:
                self._sending.now = False

    def _complain_once(self) -> None:
        if not self._is_cut_off:
            self._is_cut_off = True
            self.remark(
                Severity.WARNING, "The wrapper does not take events (LOGRULES_EVENT_FD): it cannot alert"
            )

    def remark(self, level: Severity, message: str, *, attrs: Mapping[str, Any] | None = None) -> None:
        """Say something that has no code."""
        event = Event(
            timestamp=timestamp(self._clock()),
            level=level,
            message=message,
            service=self._settings.service,
            instance=self._settings.instance,
        )
        if attrs:
            event.attrs = dict(attrs)
        self._console.write(event)


def _rest(epoch: int | None, attrs: Mapping[str, Any] | None, error: BaseException | None) -> dict[str, Any]:
    """What one report has to say beyond its kind, in the order of an event's fields."""
    rest: dict[str, Any] = {}
    if epoch is not None:
        rest["epoch"] = epoch
    if attrs:
        rest["attrs"] = dict(attrs)
    if error is not None:
        rest["error"] = error_of(error)
    return rest


def _match(kind: Match, now: float, message: str, rest: dict[str, Any] | None) -> Match:
    rest = rest or {}
    return Match(
        code=kind.code,
        reason=kind.reason,
        fatal=kind.fatal,
        level=kind.level,
        message=message,
        service=kind.service,
        instance=kind.instance,
        time=now,
        proved=True,
        evidence=rest["error"].stack if "error" in rest else "",
        epoch=rest.get("epoch"),
        attrs=rest.get("attrs", {}),
    )


class _Wrapper:
    """The inherited descriptor of `logrules run`: private to this process, and never waited for long."""

    def __init__(self, fd: int) -> None:
        self._lines: LineWriter | None = None
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # a stray number may be anybody's open file
                os.set_blocking(fd, False)
                os.set_inheritable(fd, False)  # noqa: FBT003  it takes no keyword
                self._lines = LineWriter(fd)
        except OSError:
            pass  # not open: told at the first event

    def write(self, line: bytes) -> bool:
        """Hand over `line`; False if nobody took it."""
        return self._lines is not None and self._lines.write(line)
