"""What the bot does with a message: hand its text to `answers`, send back what comes out."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from telegram import LinkPreviewOptions, Update
from telegram.constants import ParseMode
from telegram.error import TelegramError
from telegram.ext import Application, CommandHandler, ContextTypes, MessageHandler, filters

from bot import answers
from bot.texts import texts

Context = ContextTypes.DEFAULT_TYPE

logger = logging.getLogger(__name__)


def register(application: Application[Any, Any, Any, Any, Any, Any]) -> None:
    """Add every handler of the bot, in the order in which they are asked."""
    private = filters.ChatType.PRIVATE & filters.UpdateType.MESSAGE
    application.add_handlers(
        [
            CommandHandler("start", start),
            CommandHandler("help", help_),
            CommandHandler("codes", codes),
            CommandHandler("explain", explain),
            MessageHandler(private & filters.TEXT & ~filters.COMMAND, pasted),
        ]
    )
    application.add_error_handler(failed)


async def start(update: Update, _context: Context) -> None:
    """/start: what this bot is for."""
    await _reply(update, texts(_lang(update)).start)


async def help_(update: Update, _context: Context) -> None:
    """/help: what else it can do."""
    await _reply(update, texts(_lang(update)).help)


async def codes(update: Update, _context: Context) -> None:
    """/codes: every code there is."""
    await _reply(update, answers.codes(_lang(update)))


async def explain(update: Update, context: Context) -> None:
    """/explain CODE: what it means and what to do."""
    await _reply(update, answers.explain(" ".join(context.args or []), _lang(update)))


async def pasted(update: Update, _context: Context) -> None:
    """A pasted line or traceback: what happened and what to do."""
    text = (update.effective_message and update.effective_message.text) or ""
    # Off the loop: a hostile text must not keep other users waiting.
    await _reply(update, await asyncio.to_thread(answers.log, text, _lang(update)))


async def failed(update: object, context: Context) -> None:
    """An exception in a handler: the log tells the operator, a message tells the user."""
    logger.error("A handler failed", exc_info=context.error)
    if isinstance(update, Update) and not isinstance(context.error, TelegramError):
        await _reply(update, texts(_lang(update)).failed)


async def _reply(update: Update, html: str) -> None:
    if update.effective_message:
        await update.effective_message.reply_text(
            html, parse_mode=ParseMode.HTML, link_preview_options=LinkPreviewOptions(is_disabled=True)
        )


def _lang(update: Update) -> str | None:
    return update.effective_user.language_code if update.effective_user else None
