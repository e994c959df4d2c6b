"""How the bot answers: messages, pages in their place, words above the chat; and what Telegram refuses."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MaybeInaccessibleMessage,
    Message,
    ReplyParameters,
    Update,
)
from telegram.constants import ChatType, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bot.answers import Page

T = TypeVar("T")

PAUSE, LONGEST_PAUSE = 1.0, 50.0
"""Seconds after which an answer that Telegram did not take is tried once more: usually, and at most."""
_SHUT = re.compile(
    r"(?i)not enough rights|have no rights|chat_write_forbidden|need administrator rights|topic_closed"
    r"|chat_restricted|chat_(?:guest_)?send_\w+_forbidden"
)
"""Words of a refusal that is the chat's own affair: nobody has done anything wrong."""

PLAIN = LinkPreviewOptions(is_disabled=True)


async def reply(
    message: MaybeInaccessibleMessage, page: Page, instead: Message | None = None, *, quoting: bool = False
) -> Message:
    """Answer a message, in place of `instead` if there is one; in groups, or `quoting`, one sees to what."""
    if instead is not None:
        note = instead

        async def edit() -> None:
            with unchanged():
                await note.edit_text(
                    page.html, ParseMode.HTML, link_preview_options=PLAIN, reply_markup=keyboard(page)
                )

        with contextlib.suppress(TelegramError):  # it is gone, or too old
            await patiently(edit, again=True)
            return instead
    quoting = quoting or message.chat.type != ChatType.PRIVATE
    to = ReplyParameters(message.message_id, allow_sending_without_reply=True) if quoting else None

    async def send(chat: int = message.chat.id) -> Message:
        return await message.get_bot().send_message(
            chat,
            page.html,
            ParseMode.HTML,
            link_preview_options=PLAIN,
            reply_markup=keyboard(page),
            reply_parameters=to,
            message_thread_id=thread(message),
        )

    try:
        return await patiently(send)
    except ChatMigrated as error:  # a group that has just become a supergroup
        to = None
        return await send(error.new_chat_id)


async def patiently(call: Callable[[], Awaitable[T]], *, again: bool = False) -> T:
    """What a call gives, after one more try where Telegram was away or wants us to be slower.

    Args:
        call: Asks Telegram.
        again: Whether it does no harm to do so twice, should the first try have arrived.
    """
    try:
        return await call()
    except NetworkError as error:
        if isinstance(error, BadRequest) or (isinstance(error, TimedOut) and not again):
            raise
        pause = PAUSE
    except RetryAfter as error:
        asked: Any = error.retry_after  # seconds, or a timedelta where the user has asked for it
        pause = asked.total_seconds() if isinstance(asked, timedelta) else float(asked)
        if pause > LONGEST_PAUSE:
            raise
    await asyncio.sleep(pause)
    return await call()


def thread(message: MaybeInaccessibleMessage) -> int | None:
    """The topic of a forum in which a message stands."""
    return message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None


def is_shut(error: BaseException) -> bool:
    """Whether we may not write there: who has blocked the bot, or gives it no say, misses nothing."""
    return isinstance(error, Forbidden) or (
        isinstance(error, BadRequest) and bool(_SHUT.search(error.message))
    )


async def turn(query: CallbackQuery, page: Page) -> None:
    """Show another page in place of the one whose button was pressed."""

    async def edit() -> None:
        with unchanged():
            await query.get_bot().edit_message_text(
                page.html,
                parse_mode=ParseMode.HTML,
                link_preview_options=PLAIN,
                reply_markup=keyboard(page),
                **place(query),
            )

    await patiently(edit, again=True)


async def heard(query: CallbackQuery, word: str | None = None) -> None:
    """Let the button rest, with a word above the chat; Telegram waits some seconds for it, and no longer."""
    with contextlib.suppress(TelegramError):  # what it asks for is done all the same
        await query.answer(word, show_alert=word is not None)


def place(query: CallbackQuery) -> dict[str, Any]:
    """Which message a button belongs to: of an old one, or one sent by inline mode, there is nothing else."""
    if query.message is None:
        return {"inline_message_id": query.inline_message_id}
    return {"chat_id": query.message.chat.id, "message_id": query.message.message_id}


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """The same button pressed twice changes nothing, and is no error."""
    try:
        yield
    except BadRequest as error:
        if "not modified" not in error.message:
            raise


def keyboard(page: Page) -> InlineKeyboardMarkup | None:
    """The buttons of a page."""
    rows = [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in page.rows]
    return InlineKeyboardMarkup(rows) if rows else None


def lang_of(update: Update) -> str | None:
    """The language in which somebody uses Telegram."""
    return update.effective_user.language_code if update.effective_user else None
