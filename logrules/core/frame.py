"""Lines of one kind: what they have in common is redacted and encoded once.

Such a line is made of its time, a head, its message, a tail, and what else this one alone has to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from logrules.core.event import MAX_BYTES, encode, quoted, said, stamp, timestamp

if TYPE_CHECKING:
    import re

    from logrules.core.event import Event
    from logrules.core.redact import Redactor

_FIRST = b'{"timestamp":"'
_MESSAGE = b'"message":""'
_LAST = b"}\n"
_CUT = b',"truncated":true}\n'

_json = msgspec.json.Encoder().encode


class Frame:
    """All lines of one kind of event, the same that `encode` makes of each. Safe to use from several threads.

    Args:
        event: What they have in common, up to and without `epoch`; its time stamp and message are empty.
        redact: Hides secrets. What it learns later counts from then on, also for what is encoded already.
    """

    __slots__ = ("_made", "_redact", "event")

    def __init__(self, event: Event, redact: Redactor) -> None:
        self.event = event
        self._redact = redact
        self._made = self._encoded()

    def _encoded(self) -> tuple[re.Pattern[str], bytes, bytes, int]:
        signs = self._redact.signs  # first: what is learned meanwhile is not lost then
        head, _, tail = encode(self.event, self._redact).partition(_MESSAGE)
        is_cut = tail.endswith(_CUT)  # what of it stays depends on the rest of the line
        return signs, head[len(_FIRST) :] + _MESSAGE[:-2], tail[: -len(_LAST)], 0 if is_cut else MAX_BYTES

    def line(self, seconds: float, message: str, rest: dict[str, Any] | None = None) -> bytes:
        """The line that says `message` of what happened at `seconds` since the epoch.

        Args:
            seconds: When.
            message: What, not redacted yet.
            rest: Fields from `epoch` on, in the schema's order, as far as they are set.
        """
        signs, head, tail, longest = self._made
        if signs is not self._redact.signs:
            signs, head, tail, longest = self._made = self._encoded()
        if type(message) is str and message.isascii() and "\x7f" not in message and not signs.search(message):
            told = _json(message)
        else:
            told = quoted(message, self._redact.hide)
        more = b"," + said(rest, self._redact)[1:-1] if rest else b""
        line = b"".join((_FIRST, stamp(seconds), head, told, tail, more, _LAST))
        return line if len(line) <= longest else self._whole(seconds, message, rest)

    def _whole(self, seconds: float, message: str, rest: dict[str, Any] | None) -> bytes:
        """The same as one event: only so is it known what of it may be cut."""
        fields = {"timestamp": timestamp(seconds), "message": message, **(rest or {})}
        return encode(msgspec.structs.replace(self.event, **fields), self._redact)
