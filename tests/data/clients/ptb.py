"""python-telegram-bot, as its examples write it."""

import logging
import os

from telegram.ext import Application, MessageHandler, filters

logging.basicConfig(format="%(asctime)s - %(name)s - %(levelname)s - %(message)s", level=logging.INFO)


async def echo(update, _context):
    await update.message.reply_text(update.message.text)


builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
application = builder.build()
application.add_handler(MessageHandler(filters.TEXT, echo))
application.run_polling()
