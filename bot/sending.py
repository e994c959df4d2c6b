"""How the bot answers: messages, pages in their place, words above the chat; and what Telegram refuses."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
from telegram.error import BadRequest, NetworkError, RetryAfter, TelegramError, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.answers import Page

PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds after which an answer that Telegram did not take is tried once more: usually, and at most."""

PLAIN = LinkPreviewOptions(is_disabled=True)


async def reply(
    message: MaybeInaccessibleMessage, page: Page, instead: Message | None = None, *, quoting: bool = False
) -> Message:
    """Answer a message, in place of `instead` if there is one; in groups, or `quoting`, one sees to what."""
    if instead is not None:
        with contextlib.suppress(TelegramError):
            with unchanged():
                await instead.edit_text(
                    page.html, ParseMode.HTML, link_preview_options=PLAIN, reply_markup=keyboard(page)
                )
            return instead
    quoting = quoting or message.chat.type != ChatType.PRIVATE
    to = ReplyParameters(message.message_id, allow_sending_without_reply=True) if quoting else None
    thread = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None

    async def send() -> Message:
        return await message.chat.send_message(
            page.html,
            ParseMode.HTML,
            link_preview_options=PLAIN,
            reply_markup=keyboard(page),
            reply_parameters=to,
            message_thread_id=thread,
        )

    try:
        return await send()
    except NetworkError as error:
        if isinstance(error, (BadRequest, TimedOut)):  # no use, or perhaps sent
            raise
        pause = PAUSE
    except RetryAfter as error:
        asked = error.retry_after
        pause = min(asked.total_seconds() if isinstance(asked, timedelta) else asked, LONGEST_PAUSE)
    await asyncio.sleep(pause)
    return await send()


async def turn(query: CallbackQuery, page: Page) -> None:
    """Show another page in place of the one whose button was pressed."""
    with unchanged():
        await query.get_bot().edit_message_text(
            page.html,
            parse_mode=ParseMode.HTML,
            link_preview_options=PLAIN,
            reply_markup=keyboard(page),
            **place(query),
        )


async def heard(query: CallbackQuery, word: str | None = None) -> None:
    """Let the button rest, with a word above the chat; Telegram waits some seconds for it, and no longer."""
    with contextlib.suppress(BadRequest):
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
