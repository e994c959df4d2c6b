"""An ordinary echo bot, as thousands run. With `--guarded`, one line of it is different."""

from __future__ import annotations

import os
import sys

from telegram import Update
from telegram.ext import Application, ApplicationBuilder, ContextTypes, MessageHandler, filters

from logrules import guard


async def echo(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
    """Answer with the same text, and with who answers."""
    if update.message and update.message.text:
        await update.message.reply_text(f"{os.environ['LOGRULES_INSTANCE']}: {update.message.text}")


def main() -> None:
    """Build the bot and poll."""
    builder = ApplicationBuilder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["BOT_API"] + "/bot")
    application: Application = builder.build()  # type: ignore[type-arg]  # six parameters tell nothing here
    application.add_handler(MessageHandler(filters.TEXT, echo))
    if "--guarded" in sys.argv:
        guard(application).run_polling()
    else:
        application.run_polling()


if __name__ == "__main__":
    main()
