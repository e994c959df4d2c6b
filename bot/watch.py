"""What somebody hears while a file of theirs waits and is read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from telegram.error import TelegramError

from bot import answers, texts
from bot.sending import reply

if TYPE_CHECKING:
    from telegram import Message

    from bot.answers import Page

WATCHED = 2_000_000
"""Bytes of a file that takes long enough to be watched."""

LOOK = 1.5
"""Seconds between two looks at how far a file is read."""

AGAIN = "f:"
"""Callback data: read the file again to which this message is the answer."""


class Watch:
    """What somebody hears while a file waits and is read: at once if it is large, else if it takes long.

    Args:
        message: With the file.
        lang: Of whoever hears it.
        size: Of the file, in bytes.
        note: The message that says so already.
    """

    def __init__(self, message: Message, lang: str | None, size: int, note: Message | None) -> None:
        self.note = note
        self.share: float | None = None
        """How much has been read; None while it waits for its turn."""
        self._message, self._lang, self._size = message, lang, size
        self._over = asyncio.Event()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._task  # what it is about to send is the note that the answer takes the place of

    def tell(self, share: float) -> None:
        """So much has been read."""
        self.share = share

    async def _watch(self) -> None:
        told = ""
        wait = 0.0 if self.note or self._size >= WATCHED else LOOK
        while not await self._is_over(wait):
            page = self._page()
            if page.html != told:
                told = page.html
                with contextlib.suppress(TelegramError):
                    self.note = await reply(self._message, page, self.note, quoting=True)
            wait = LOOK

    async def _is_over(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()

    def _page(self) -> Page:
        """How far it is, with the button for when nothing more comes."""
        size, lang = megabytes(self._size), self._lang
        if self.share:
            html = texts.READ_SO_FAR(lang, size=size, percent=int(100 * self.share))
        else:
            html = (texts.IN_LINE if self.share is None else texts.READING)(lang, size=size)
        return answers.Page(html, ((answers.Button(texts.AGAIN(lang), AGAIN),),))


def megabytes(size: int) -> str:
    """As people read it."""
    return f"{max(size / 1_000_000, 0.1):.1f}"
