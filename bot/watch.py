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
    from bot.reading import Reading

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
        self._found: Reading | None = None
        self._message, self._lang, self._size = message, lang, size
        self._news = asyncio.Event()
        self._is_over = False

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        self._news.set()
        await self._task  # what it is about to send is the note that the answer takes the place of

    def tell(self, share: float, found: Reading) -> None:
        """So much has been read, with this in it. What is found first is shown at once."""
        self.share = share
        if not found.is_trouble:
            return
        if self._found is None and self._size >= WATCHED:
            self._news.set()
        self._found = found

    def cut_off(self) -> Reading | None:
        """What was found of a file that could not be read on; None if that is nothing."""
        return self._found and self._found._replace(cut_short=max(1, int((self.share or 0) * self._size)))

    async def _watch(self) -> None:
        told = ""
        wait = 0.0 if self.note or self._size >= WATCHED else LOOK
        while not await self._ends_within(wait):
            page = self._page()
            if page.html != told:
                told = page.html
                with contextlib.suppress(TelegramError):
                    self.note = await reply(self._message, page, self.note, quoting=True)
            wait = LOOK

    async def _ends_within(self, seconds: float) -> bool:
        """Wait so long, or until there is something to tell at once; whether it is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()
        return self._is_over

    def _page(self) -> Page:
        """How far it is and what has been found, with the button for when nothing more comes."""
        size, lang = megabytes(self._size), self._lang
        again = ((answers.Button(texts.AGAIN(lang), AGAIN),),)
        if self.share and self._found:
            head = texts.FOUND_SO_FAR(lang, size=size, percent=int(100 * self.share))
            return answers.so_far(self._found, lang, head)._replace(rows=again)
        if self.share:
            html = texts.READ_SO_FAR(lang, size=size, percent=int(100 * self.share))
        else:
            html = (texts.IN_LINE if self.share is None else texts.READING)(lang, size=size)
        return answers.Page(html, again)


def megabytes(size: int) -> str:
    """As people read it."""
    return f"{max(size / 1_000_000, 0.1):.1f}"
