"""What becomes of the command's bytes on their way out, where they are not to pass as they are.

    bytes → whole lines → masked → thinned → events

A line without its end waits for it, for less than a person notices; then what there is of it goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from logrules.core.event import timestamp
from logrules.core.model import EVENTS
from logrules.core.reading.lines import LONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logrules.core.model import Origin
    from logrules.core.output.masks import Masks
    from logrules.core.output.thinning import Thinner
    from logrules.core.output.wrapping import Wrapper
    from logrules.sidecar.options import Options

PATIENCE = 0.2
"""Seconds for which an unfinished line waits."""
MINUTE = 60.0
_EXAMPLE = 120


class Outlet:
    """One stream's way out. What it gives back does not depend on how the bytes were cut, pauses apart."""

    def __init__(
        self, stream: str, masks: Masks | None, thinner: Thinner | None, wrapper: Wrapper | None
    ) -> None:
        self._stream = stream
        self._masks = masks
        self._thinner = thinner
        self._wrapper = wrapper
        self._rest = b""
        self.deadline: float | None = None
        """When `release` is due, in seconds since the epoch; None while nothing waits."""
        self._passes_over = False
        """The rest of the unfinished line goes nowhere: its event is out, cut, or it was left out."""
        self._is_begun = False
        """The unfinished line's beginning has been dealt with."""

    def feed(self, data: bytes, now: float) -> bytes:
        """What may go out now that `data` has come."""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        lines, self._rest = data[:end], data[end:]
        out = self._lines(lines, now) if lines else b""
        while len(self._rest) > LONGEST:
            part, self._rest = self._rest[:LONGEST], self._rest[LONGEST:]
            out += self._part(part, now)
        if not self._rest:
            self.deadline = None
        elif lines or self.deadline is None:
            self.deadline = now + PATIENCE
        return out

    def release(self, now: float) -> bytes:
        """What the unfinished line may say by now."""
        part, self._rest, self.deadline = self._rest, b"", None
        return self._part(part, now) if part else b""

    def end(self, now: float) -> bytes:
        """The last of it: the stream is over."""
        part, self._rest, self.deadline = self._rest, b"", None
        if self._masks is not None:
            part = self._masks.last(part)
        if self._is_begun or self._passes_over:
            return self._continued(part, now)
        made = self._made(part + b"\n", now) if part else b""
        return made if self._wrapper is not None else made.removesuffix(b"\n")

    def _lines(self, lines: bytes, now: float) -> bytes:
        if self._masks is not None:
            lines = self._masks.whole(lines)
        if not (self._is_begun or self._passes_over):
            return self._made(lines, now)
        end = lines.find(b"\n") + 1
        first = self._continued(lines[:end], now)
        self._is_begun = self._passes_over = False
        return first + self._made(lines[end:], now)

    def _part(self, part: bytes, now: float) -> bytes:
        """The unfinished line, as far as it is there, or as far as it may be long."""
        is_long = len(part) >= LONGEST
        if self._masks is not None:
            part, waits = self._masks.part(part)
            self._rest = waits + self._rest
        if self._is_begun or self._passes_over or not part:
            return self._continued(part, now)
        self._is_begun = True
        made = self._made(part + b"\n", now, cut=is_long)
        self._passes_over = not made or (is_long and self._wrapper is not None)
        return made if self._wrapper is not None else made.removesuffix(b"\n")

    def _continued(self, part: bytes, now: float) -> bytes:
        """More of a line whose beginning has gone out, or was left out."""
        if self._passes_over:
            return b""
        if self._wrapper is None:
            return part
        return self._wrapper(part.rstrip(b"\n") + b"\n", timestamp(now)) if part.strip() else b""

    def _made(self, lines: bytes, now: float, *, cut: bool = False) -> bytes:
        """Whole lines without secrets, thinned, as events; of one that is cut the end is not waited for."""
        if self._thinner is not None:
            lines = self._thinner.thin(self._stream, lines, now)
        if self._wrapper is None or not lines:
            return lines
        stamp = timestamp(now)
        return self._wrapper.cut(lines.rstrip(b"\n"), stamp) if cut else self._wrapper(lines, stamp)


class Outlets:
    """The ways out of all streams of one command; they have one limit of lines in common."""

    def __init__(self, options: Options, environ: Mapping[str, str]) -> None:
        """What is needed is read when this is made: the command should be running by then."""
        self._options = options
        self._environ = environ
        self._thinner: Thinner | None = None
        self._owing_since = 0.0
        if options.max_lines is not None:
            from logrules.core.output.thinning import Thinner

            self._thinner = Thinner(options.max_lines)

    def outlet(self, origin: Origin) -> Outlet | None:
        """The way out of one stream; None where its bytes pass as they are."""
        options, masks, wrapper = self._options, None, None
        if origin.stream == EVENTS or not (options.redact or options.as_json or self._thinner):
            return None
        if options.redact:
            from logrules.core.output.masks import Masks

            masks = Masks(self._environ)
        if options.as_json:
            from logrules.core.output.wrapping import Wrapper

            wrapper = Wrapper(origin.service, origin.instance)
        return Outlet(origin.stream, masks, self._thinner, wrapper)

    @property
    def deadline(self) -> float | None:
        """When `report` is due, in seconds since the epoch."""
        if self._thinner is None or not self._thinner.left_out:
            return None
        return self._owing_since + MINUTE

    def report(self, now: float, *, at_once: bool = False) -> tuple[str, dict[str, int]] | None:
        """What was left out in the last minute, for people and for programs; None before that is over."""
        if self._thinner is None or not self._thinner.left_out:
            self._owing_since = now
            return None
        if now < self._owing_since + MINUTE and not at_once:
            return None
        self._owing_since, thinned = now, self._thinner.report()
        from logrules.core.redact import Redactor, secrets_in

        redact = Redactor(secrets_in(self._environ))
        example = redact(thinned.example.decode("utf-8", "replace")).strip()[:_EXAMPLE]
        words = (
            f"{thinned.left_out} of {thinned.came} lines were left out by --max-lines-per-minute: "
            f"{thinned.repeated} repeated others, {thinned.errors} told of errors"
        )
        attrs = {"left_out": thinned.left_out, "repeated": thinned.repeated, "errors": thinned.errors}
        return (f"{words}. Most often: {example}" if example else words), attrs
