"""The reference bot, and the life that its guard gives it.

Search your log for the codes; `logrules explain CODE` tells what each one asks of you.

1. Acquire: one instance holds the PostgreSQL advisory lock (LOCK_ACQUIRED); every other one waits for it,
   healthy, and names the holder (LOCK_WAITING). An instance that waits has run none of the code below.
2. Keep alive: the lock is proved again and again on a connection of its own (KEEPALIVE_STARTED).
3. Delete the webhook, which would make polling impossible (WEBHOOK_DELETED).
4. Poll: the first answer to getUpdates is the good sign (POLLING_STARTED). A start that fails is told with
   its traceback (POLLING_START_FAILED, or the exact cause) and ends the process.
5. Conflict: one 409 may be the echo of a deploy (CONFLICT_SUSPECTED); a second one under a proved lock is
   somebody else (CONFLICT_409) and ends the process.
6. Reacquire: with the lock's connection the permission to poll is gone at once (LOCK_LOST). One attempt is
   made to have it back (LOCK_REACQUIRED); if it fails (LOCK_REACQUIRE_FAILED), the process ends.
7. Clean exit: stop polling, finish what was fetched, flush what persists, announce, unlock (LOCK_RELEASED),
   deliver the alerts, and end with a status that means something: 0, 69, 70, 75 or 78.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from telegram import Update
from telegram.ext import Application, ApplicationBuilder

from bot.admin import Desk, ids
from bot.handlers import Conversation, introduce
from logrules import bot_token, guard

logger = logging.getLogger(__name__)

AT_ONCE = 64
"""Messages that are answered side by side: one that waits for a large file is nobody else's delay."""
UPDATES = [Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.INLINE_QUERY]


def build(token: str, bot_api: str, desk: Desk) -> Application[Any, Any, Any, Any, Any, Any]:
    """The Application with every handler; it has not asked Telegram for anything yet."""
    application = (
        ApplicationBuilder()
        .token(token)
        .base_url(f"{bot_api}/bot")
        .base_file_url(f"{bot_api}/file/bot")
        .concurrent_updates(AT_ONCE)
        .post_init(introduce)
        .build()
    )
    desk.register(application)
    Conversation(desk.admins).register(application)
    return application


def main() -> None:
    """Run the bot until it is told to end, or must. Raises SystemExit with the status of a fatal code."""
    operators, all_read = ids(os.environ)
    desk = Desk(operators)
    bot_api = os.environ.get("LOGRULES_BOT_API") or "https://api.telegram.org"
    application = build(bot_token(), bot_api, desk)
    guarded = guard(application)
    if not all_read:  # said now that the log has its form
        logger.warning("BOT_ADMINS takes the numbers of people, such as 1001,1002: what is none is left out")
    desk.health = guarded.health
    guarded.run_polling(allowed_updates=UPDATES)
