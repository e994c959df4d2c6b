"""aiogram, as its examples write it."""

import asyncio
import logging
import os
import sys

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

dispatcher = Dispatcher()


@dispatcher.message()
async def echo(message):
    await message.answer(message.text)


async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["API"]))
    await dispatcher.start_polling(Bot(os.environ["BOT_TOKEN"], session=session))


logging.basicConfig(level=logging.INFO, stream=sys.stdout)
asyncio.run(main())
