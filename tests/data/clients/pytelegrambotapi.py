"""pyTelegramBotAPI: `infinity_polling()`, or with the argument `once` the `polling()` that ends by itself."""

import os
import sys

from telebot import TeleBot, apihelper

apihelper.API_URL = os.environ["API"] + "/bot{0}/{1}"  # type: ignore[assignment]  # as it documents
bot = TeleBot(os.environ["BOT_TOKEN"])


@bot.message_handler(func=lambda message: True)
def echo(message):
    bot.reply_to(message, message.text)


if "once" in sys.argv:
    bot.polling()
else:
    bot.infinity_polling(timeout=10, long_polling_timeout=5)
