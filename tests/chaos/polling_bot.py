"""A bot as people write them, for the chaos suite: guarded, or as python-telegram-bot is by itself."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from telegram.ext import Application, MessageHandler, filters
from telegram.request import HTTPXRequest

from logrules import Timers, guard

if TYPE_CHECKING:
    from telegram import Update

_CLOCK = time.time
NAME = os.environ["LOGRULES_INSTANCE"]


async def answer(update: Update, _context: Any) -> None:
    """Echo; a message may ask for trouble first."""
    assert update.message is not None
    assert update.message.text is not None
    what, _, seconds = update.message.text.partition(" ")
    if what == "block":
        time.sleep(float(seconds))  # noqa: ASYNC251 - that is the fault
    if what == "clock":  # somebody sets it
        time.time = lambda: _CLOCK() + float(seconds)
    if what == "alarm":  # a user's own use of the alarm clock
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.alarm(1)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
    await update.message.reply_text(f"{NAME}: {update.message.text}")


class Named(HTTPXRequest):
    """Tells the double who asks."""

    USER_AGENT = NAME  # type: ignore[misc]  # final there, and the only way to name oneself


def main() -> None:
    """Poll until told to end."""
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
    application = builder.request(Named()).get_updates_request(Named()).build()
    application.add_handler(MessageHandler(filters.TEXT, answer))
    if "UNGUARDED" in os.environ:
        application.run_polling(timeout=10)
    else:
        guard(application, timers=Timers(**json.loads(os.environ["TIMERS"]))).run_polling(timeout=10)


main()
