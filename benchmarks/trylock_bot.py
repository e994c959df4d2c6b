"""What bots do without a guard: try the lock every so many seconds, then poll."""

from __future__ import annotations

import asyncio
import os

import asyncpg
from telegram.ext import Application
from telegram.request import HTTPXRequest


class Named(HTTPXRequest):
    """Tells the double who asks."""

    USER_AGENT = os.environ["LOGRULES_INSTANCE"]  # type: ignore[misc]  # final there, and the only way


async def locked() -> asyncpg.Connection:
    """A connection that holds the lock; it is asked for as often as `EVERY` says."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    while not await connection.fetchval("SELECT pg_try_advisory_lock(1)"):  # noqa: ASYNC110 - that is what they do
        await asyncio.sleep(float(os.environ["EVERY"]))
    return connection


def main() -> None:
    """Poll as soon as the lock is ours, or at once where nobody asks for one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    held = loop.run_until_complete(locked()) if "EVERY" in os.environ else None
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
    application = builder.request(Named()).get_updates_request(Named()).build()
    application.run_polling(timeout=10, close_loop=False)
    if held is not None:
        loop.run_until_complete(held.close())


main()
