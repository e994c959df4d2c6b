"""The guard as people meet it: whole bots in processes of their own, real signals, a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from logrules.testing import PostgresServer
from logrules.testing.ports import free_port
from tests import warm
from tests.processes import Bot, rival

PASSWORD = "sup3r/s3cret"

BOT = """
import asyncio, http.server, logging, os, signal, threading, time
from telegram.ext import Application, BaseUpdateProcessor, CommandHandler, ConversationHandler, MessageHandler
from telegram.ext import PicklePersistence, filters
from telegram.request import HTTPXRequest
from logrules import Timers, guard

TIMERS = Timers(
    lease=7, dropped=7, keepalive=0.5, answer=1, fence=6, chunk=1, check=0.5, grace=0.3, patience=1, drain=3
)

async def answer(update, context):
    text = update.message.text
    if text == "block":
        until = time.monotonic() + 6.5
        while time.monotonic() < until:
            sum(range(1000))
    if text == "hang":
        logging.getLogger("bot").warning("handler hang begins")
        work = asyncio.sleep(float(os.environ.get("HANG", 60)))
        if "TASK" in os.environ:
            context.application.create_task(work, update=update)
            return
        await work
    if text == "wait":
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, told.set)
        await told.wait()
    if text == "die":
        os._exit(9)
    if text == "stop":
        context.application.stop_running()
    if text == "count":
        context.chat_data["count"] = context.chat_data.get("count", 0) + 1
        text += " " + str(context.chat_data["count"])
    await update.message.reply_text("echo " + text)

async def ask(update, context):
    await update.message.reply_text("echo who is it for?")
    return "NAME"

async def order(update, context):
    await update.message.reply_text("echo ordered for " + update.message.text)
    return ConversationHandler.END

class Own(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the bot's own")

async def post_init(application):
    logging.getLogger("bot").warning("post_init runs")
    if "LISTEN" in os.environ:
        server = http.server.HTTPServer(("", int(os.environ["LISTEN"])), Own)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if os.environ.get("BREAK") == "post_init":
        raise RuntimeError("no such table of mine")
    if os.environ.get("BREAK") == "stop_running":
        application.stop_running()
    if os.environ.get("BREAK") == "exit":
        raise SystemExit(3)

async def post_stop(application):
    logging.getLogger("bot").warning("post_stop runs")
    if os.environ.get("BREAK") == "late exit":
        raise SystemExit(4)
    if os.environ.get("BREAK") == "late error":
        raise TimeoutError("of the bot's own")

class Choosy(BaseUpdateProcessor):
    # Leaves out what it does not like, as a limit of messages per user does.
    async def do_process_update(self, update, coroutine):
        if os.environ["CHOOSY"] == "raises" and update.message.text == "spam":
            coroutine.close()
            raise LookupError("no limit is set for this user")
        if update.message.text != "spam":
            await coroutine
        elif os.environ["CHOOSY"] == "closes":
            coroutine.close()

    async def initialize(self):
        pass

    shutdown = initialize

class Stuck(HTTPXRequest):
    # Its second getUpdates never comes back: neither an answer nor an error.
    asked = 0

    async def do_request(self, *args, **kwargs):
        self.asked += 1
        if self.asked > 1:
            await asyncio.Event().wait()
        return await super().do_request(*args, **kwargs)

def build():
    builder = Application.builder().token(os.environ["BOT_TOKEN"]).base_url(os.environ["API"] + "/bot")
    if os.environ.get("BREAK") == "stuck":
        builder.get_updates_request(Stuck())
    if "PICKLE" in os.environ:
        builder.persistence(PicklePersistence(os.environ["PICKLE"]))
    builder.concurrent_updates(int(os.environ.get("CONCURRENT", 1)))
    if "CHOOSY" in os.environ:
        builder.concurrent_updates(Choosy(1))
    if "QUEUE" in os.environ:
        builder.update_queue(asyncio.Queue(int(os.environ["QUEUE"])))
    application = builder.post_init(post_init).post_stop(post_stop).build()
    if "PICKLE" in os.environ:
        states = {"NAME": [MessageHandler(filters.TEXT, order)]}
        talk = ConversationHandler([CommandHandler("order", ask)], states, [], name="order", persistent=True)
        application.add_handler(talk)
    application.add_handler(MessageHandler(filters.TEXT, answer, block="UNBLOCKED" not in os.environ))
    return guard(application, timers=TIMERS, ack_wait=float(os.environ.get("ACK_WAIT", 60)))

async def serve():
    # As a web server does with the lifespan of its application: whatever that raises is told to nobody.
    async def lifespan():
        try:
            async with build().polling(timeout=2):
                logging.getLogger("bot").warning("the server is up")
                await told.wait()
        except BaseException:
            pass

    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await asyncio.create_task(lifespan())
    await asyncio.Event().wait()

async def main():
    async with build().polling(timeout=2) as guarded:
        await guarded.started()
        await asyncio.sleep(float(os.environ["FOR"]))

if os.environ.get("BREAK") == "conflict":
    import logrules.polling.life

    class Faulty(logrules.polling.life.Conflicts):
        def seen(self, *args, **kwargs):
            raise ZeroDivisionError("our own fault")

    logrules.polling.life.Conflicts = Faulty

import logrules.guards.ptb
import logrules.polling.onfatal
import logrules.sinks.health

logrules.guards.ptb.LAST_CHANCE = float(os.environ.get("LAST_CHANCE", 600))

logrules.polling.onfatal.REMINDER = float(os.environ.get("REMINDER", 3600))
logrules.sinks.health.PATIENCE = float(os.environ.get("SOON", 5))

if "LOADED" in os.environ:
    import sys

    async def initialize(*given, begin=logrules.guards.ptb.initialize):
        before = set(sys.modules)
        await begin(*given)
        client = [name for name in set(sys.modules) - before if name.startswith(("anyio", "http", "h11"))]
        logging.getLogger("bot").warning("loaded under the lock: %s", client)

    logrules.guards.ptb.initialize = initialize

if "STALL" in os.environ:
    import logrules.polling.gate

    logrules.polling.gate.STALL = float(os.environ["STALL"])
    logrules.polling.gate.SILENCE = float(os.environ.get("SILENCE", 60))
    logrules.polling.gate.LOOK = logrules.guards.ptb.LOOK = 0.2

if "THREAD" in os.environ:
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()
    if "STAYS" in os.environ:
        threading.Event().wait()
elif os.environ.get("BREAK") == "no timers":
    import resource
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))

if "SERVER" in os.environ:
    asyncio.run(serve())
elif "FOR" in os.environ:
    asyncio.run(main())
else:
    interval = float(os.environ.get("INTERVAL", 0))
    build().run_polling(timeout=2, poll_interval=interval, drop_pending_updates="KEEP" not in os.environ)
logging.getLogger("bot").warning("run_polling returned")
"""


@pytest.fixture
def start(bot_api, tmp_path):
    """Start a bot; at the end of the test none is left, and none has said a secret."""
    script = tmp_path / "bot.py"
    script.write_text(BOT, "utf-8")
    instances = []

    def begin(name="one", *, database=None, fds=(), by=warm.begun, **more):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LOGRULES_", "PG"))}
        environ = {
            **clean,
            "BOT_TOKEN": bot_api.token,
            "API": bot_api.url,
            "LOGRULES_BOT_API": bot_api.url,
            "LOGRULES_INSTANCE": name,
            "LOGRULES_STATE": ":memory:",
            "LOGRULES_LANG": "en",
            "TMPDIR": str(tmp_path),
            **more,
        }
        environ.pop("DATABASE_URL", None)
        if database is not None:
            environ["DATABASE_URL"] = database if isinstance(database, str) else database.url
        instances.append(Bot(name, [sys.executable, str(script)], environ, by, fds))
        return instances[-1]

    yield begin
    for instance in instances:
        instance.close()
    said = "".join(instance.said for instance in instances)
    assert bot_api.token.partition(":")[2] not in said
    assert "s3cret" not in said
    assert "was destroyed" not in said  # a task
    assert "never awaited" not in said


def echoes(api):
    return [message.text for message in api.sent]


def texts(updates):
    return [update["message"]["text"] for update in updates]


def wait_for_echo(api, text):
    api.wait_for(lambda: f"echo {text}" in echoes(api))


def test_public_names_come_when_asked_for():
    """Importing logrules imports nothing else; `guard` is the function, whatever was imported before."""
    code = (
        "import sys, logrules; assert [m for m in sys.modules if m.startswith('logrules')] == ['logrules']\n"
        "import logrules.guards.keeper; from logrules import guard, Guard, Timers; assert callable(guard)\n"
        "assert all(getattr(logrules, name) for name in logrules.__all__)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_story_and_handover(bot_api, postgres, start):
    """Acquire, keep alive, delete the webhook, poll; a standby waits untouched, then takes over in order.

    What can be loaded before there is a lock is loaded by then.
    """
    first = start("first", database=postgres, by=subprocess.Popen, LOADED="yes")
    first.wait("POLLING_STARTED")
    bot_api.send_text("one")
    wait_for_echo(bot_api, "one")
    second = start("second", database=postgres)
    waiting = second.wait("LOCK_WAITING")
    bot_api.send_text("two")
    wait_for_echo(bot_api, "two")
    status = first.term()
    bot_api.send_text("three")
    wait_for_echo(bot_api, "three")
    taken = second.wait("LOCK_ACQUIRED")

    assert first.codes() == [
        *("ALERTS_OFF", "LOCK_ACQUIRED", "KEEPALIVE_STARTED", "WEBHOOK_DELETED", "POLLING_STARTED"),
        *("SHUTDOWN_SIGNAL", "LOCK_RELEASED", "SHUTDOWN_CLEAN"),
    ]
    assert status == 0
    assert "loaded under the lock: []" in first.messages()
    assert first.messages()[-2:] == ["post_stop runs", "run_polling returned"]
    assert waiting["attrs"]["holder"]["instance"] == "first"
    assert taken["attrs"]["clean"] is True
    assert taken["epoch"] > first.of("LOCK_ACQUIRED")[0]["epoch"]
    assert "post_init runs" not in [e["message"] for e in second.events if e["read"] < taken["read"]]
    assert any("handover" in message for message in second.messages())  # nothing was dropped
    assert echoes(bot_api) == ["echo one", "echo two", "echo three"]
    assert bot_api.conflicts == 0
    assert second.term() == 0


def test_killed_holder_is_replaced(bot_api, postgres, start):
    """After SIGKILL the standby takes over within its grace, and says that it was no clean handover."""
    first = start("first", database=postgres)
    first.wait("POLLING_STARTED")
    second = start("second", database=postgres)
    second.wait("LOCK_WAITING")
    first.process.kill()
    bot_api.send_text("still there?")
    wait_for_echo(bot_api, "still there?")

    assert second.of("LOCK_ACQUIRED")[0]["attrs"]["clean"] is False
    assert second.term() == 0


def test_terminated_backend_is_survived(bot_api, postgres, start):
    """The lock's connection is ended: LOCK_LOST, one attempt, LOCK_REACQUIRED, and the bot answers."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    postgres.terminate_backends("logrules/%")
    bot.wait("LOCK_REACQUIRED")
    bot_api.send_text("hello")
    wait_for_echo(bot_api, "hello")

    assert bot.of("LOCK_LOST")[0]["fatal"] is False
    assert bot.of("LOCK_REACQUIRED")[0]["epoch"] > bot.of("LOCK_ACQUIRED")[0]["epoch"]
    assert bot.term() == 0


def test_lost_database_ends_polling_then_the_process(bot_api, postgres, start):
    """No database, no lock, no poll: the whole error, exit 75, and not one getUpdates after the loss."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.wait_for(lambda: bot_api.polls[-1].params["timeout"] == "2")  # it is parked
    postgres.stop()
    status = bot.ended()
    lost, failed = bot.of("LOCK_LOST")[0], bot.of("LOCK_REACQUIRE_FAILED")[0]

    assert status == 75
    assert failed["fatal"] is True
    assert failed["message"].startswith("Error reacquiring lock: ")
    assert "Traceback" in failed["error"]["stack"]
    assert [poll for poll in bot_api.polls if poll.when > lost["read"]] == []
    assert "post_stop runs" in bot.messages()
    assert "SHUTDOWN_CLEAN" not in bot.codes()


@pytest.mark.long
def test_foreign_poller(bot_api, postgres, sentry, start):
    """Suspected first, proved by a second conflict under a proved lock, told to people, then exit 75."""
    bot = start(database=postgres, SENTRY_DSN=sentry.dsn)
    bot.wait("POLLING_STARTED")
    with rival(bot_api):
        suspected = bot.wait("CONFLICT_SUSPECTED")
        status = bot.ended()
    proved = bot.of("CONFLICT_409")[0]

    assert status == 75
    assert len(bot.of("CONFLICT_SUSPECTED")) == 1
    assert suspected["fatal"] is False
    assert proved["reason"] == "other_getupdates"
    assert proved["message"].startswith("409 CONFLICT DETECTED: ")
    assert proved["read"] - suspected["read"] > 3
    assert "LOCK_RELEASED" in bot.codes()
    assert [dict(event["tags"])["code"] for event in sentry.events.values()] == ["CONFLICT_409"]
    assert "No error handlers are registered" not in bot.said  # python-telegram-bot has seen none of it


def test_fault_while_dealing_with_a_conflict(bot_api, postgres, start):
    """An error inside the conflict handling itself ends in order, too, and is told in full."""
    bot = start(database=postgres, BREAK="conflict")
    bot.wait("POLLING_STARTED")
    with rival(bot_api):
        status = bot.ended()

    assert status == 75
    assert "ZeroDivisionError" in bot.of("CONFLICT_409")[0]["error"]["stack"]
    assert bot.codes()[-1] == "LOCK_RELEASED"


def test_webhook_set_meanwhile(bot_api, postgres, start):
    """Somebody sets a webhook: its own reason; without a grace the first proved conflict ends it."""
    bot = start(database=postgres, LOGRULES_CONFLICT_GRACE="0")
    bot.wait("POLLING_STARTED")
    bot_api.set_webhook("https://example.org/hook")

    assert bot.ended() == 75
    assert bot.of("CONFLICT_409")[0]["reason"] == "webhook_active"


@pytest.mark.long
def test_webhook_deleted_once(bot_api, postgres, start):
    """If so configured, a webhook set by somebody else is deleted without a message lost; not twice."""
    bot = start(database=postgres, LOGRULES_WEBHOOK="delete")
    bot.wait("POLLING_STARTED")
    bot_api.set_webhook("https://elsewhere.example/hook")
    bot.wait("WEBHOOK_DELETED", count=2)
    bot_api.send_text("meanwhile")
    wait_for_echo(bot_api, "meanwhile")
    polls = len(bot_api.polls)
    bot_api.wait_for(lambda: len(bot_api.polls) > polls + 1)  # Telegram takes one webhook a second
    bot_api.set_webhook("https://elsewhere.example/hook")

    assert bot.ended() == 75
    assert bot.of("CONFLICT_409")[0]["reason"] == "webhook_active"


def test_conversation_survives_a_handover(bot_api, postgres, start, tmp_path):
    """The successor reads what the holder has flushed, and goes on with its talks: all inside the lock."""
    memory = str(tmp_path / "memory.pickle")
    first = start("first", database=postgres, PICKLE=memory)
    first.wait("POLLING_STARTED")
    bot_api.send_text("count")
    wait_for_echo(bot_api, "count 1")
    second = start("second", database=postgres, PICKLE=memory)
    second.wait("LOCK_WAITING")
    bot_api.send_text("count")
    wait_for_echo(bot_api, "count 2")
    bot_api.send_text("/order")
    wait_for_echo(bot_api, "who is it for?")
    first.term()
    bot_api.send_text("Ann")
    wait_for_echo(bot_api, "ordered for Ann")
    bot_api.send_text("count")
    wait_for_echo(bot_api, "count 3")
    third = start("third", database=postgres, PICKLE=memory)
    third.wait("LOCK_WAITING")

    assert second.term() == 0
    bot_api.send_text("count")
    wait_for_echo(bot_api, "count 4")
    assert third.term() == 0


def test_revoked_token_while_polling(bot_api, postgres, start):
    """A 401 is believed after one probe; the process does not stay alive and deaf."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    probes = len([r for r in bot_api.requests if r.method.lower() == "getme"])
    bot_api.revoke()

    assert bot.ended() == 78
    assert bot.of("TOKEN_INVALID")[0]["fatal"] is True
    assert len([r for r in bot_api.requests if r.method.lower() == "getme"]) == probes + 1


def test_one_stray_401_is_no_end(bot_api, postgres, start):
    """A 401 that getMe does not confirm is waited out."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.fail_next("getUpdates", 401, "Unauthorized")
    bot_api.send_text("hello")
    wait_for_echo(bot_api, "hello")

    assert bot.term() == 0
    assert "TOKEN_INVALID" not in bot.codes()


def test_refused_token_at_start(bot_api, postgres, start):
    """A token that Telegram does not know ends the start; its text, which has the token, is redacted."""
    bot_api.revoke()
    bot = start(database=postgres)

    assert bot.ended() == 78
    assert bot.codes()[-2:] == ["TOKEN_INVALID", "LOCK_RELEASED"]
    assert "POLLING_STARTED" not in bot.codes()


def test_conflict_at_start(bot_api, postgres, start):
    """A Conflict raised by start_polling has its own reason."""
    bot_api.fail_next("deleteWebhook", 409, "Conflict: terminated by other setWebhook")
    bot = start(database=postgres)

    assert bot.ended() != 0
    failed = bot.of("POLLING_START_FAILED")[0]
    assert failed["reason"] == "conflict"
    assert failed["message"].startswith("Conflict при запуске polling")
    assert "Traceback" in failed["error"]["stack"]


def test_telegram_is_away_at_start(bot_api, postgres, start):
    """A start that fails for the network says so, and ends with the status of a service that stays away."""
    bot_api.fail_next("getMe", 502, raw=b"<html>Bad Gateway</html>", times=9)
    bot = start(database=postgres)
    status = bot.ended()
    failed = next(event for event in bot.events if event.get("fatal"))

    assert (status, failed["code"], failed["reason"]) == (69, "POLLING_START_FAILED", "network")


def test_own_code_fails_at_start(postgres, start):
    """An exception of post_init is told with its traceback; the lock is let go."""
    bot = start(database=postgres, BREAK="post_init")

    assert bot.ended() == 70
    failed = next(event for event in bot.events if event.get("fatal"))
    assert "no such table of mine" in failed["error"]["stack"]
    assert "LOCK_RELEASED" in bot.codes()


def test_own_exit_at_start(postgres, start):
    """SystemExit of the bot's own code ends it in order, with its own status."""
    bot = start(database=postgres, BREAK="exit")

    assert bot.ended() == 3
    assert "LOCK_RELEASED" in bot.codes()


@pytest.mark.parametrize(("how", "status"), [("late exit", 4), ("late error", 1)])
def test_own_code_fails_on_the_way_out(postgres, start, how, status):
    """What the bot's own code raises at the end skips no step; its exit status, or its error, is kept."""
    bot = start(database=postgres, BREAK=how)
    bot.wait("POLLING_STARTED")

    assert bot.term() == status
    assert bot.codes()[-1] == "LOCK_RELEASED"
    assert ("of the bot's own" in bot.said) == (how == "late error")


@pytest.fixture(scope="module")
def locked_up():
    with PostgresServer(password=PASSWORD) as server:
        yield server


def test_database_trouble_at_start(locked_up, start):
    """Whose fault it is decides the status: our settings 78, a database that stays away 69."""
    good = start("good", database=locked_up)
    wrong = start("wrong", database=locked_up.url.replace("sup3r", "wr0ng"))
    malformed = start("malformed", database="postgres://user:s3cret@host:port/db")
    away = start("away", database="postgresql://user:s3cret@127.0.0.1:1/db")
    good.wait("POLLING_STARTED")

    assert (good.term(), wrong.ended(), malformed.ended(), away.ended()) == (0, 78, 78, 69)
    assert "DB_AUTH_FAILED" in wrong.codes()
    assert len(malformed.said.splitlines()) == 1
    assert malformed.codes() == ["CONFIG_INVALID"]
    assert [event["fatal"] for event in away.of("DB_UNREACHABLE")] == [False, True]


def test_malformed_token(start):
    """A token that is none: one line, exit 78."""
    bot = start(BOT_TOKEN="my s3cret token")

    assert bot.ended() == 78
    assert bot.codes() == ["CONFIG_INVALID"]
    assert len(bot.said.splitlines()) == 1


def test_signal_while_waiting(postgres, start):
    """A standby that is told to stop ends at once and in order; none of the bot's code has run."""
    holder = start("holder", database=postgres)
    holder.wait("POLLING_STARTED")
    standby = start("standby", database=postgres)
    standby.wait("LOCK_WAITING")

    assert standby.term() == 0
    assert standby.codes()[-1] == "SHUTDOWN_CLEAN"
    assert "post_init runs" not in standby.messages()
    assert holder.term() == 0


def test_signal_while_starting(bot_api, postgres, start):
    """SIGTERM during a start that hangs ends it in order."""
    bot_api.fail_next("getMe", hang=True)
    bot = start(database=postgres)
    bot_api.wait_for(lambda: bot_api.requests)

    assert bot.term() == 0
    assert bot.codes()[-3:] == ["SHUTDOWN_SIGNAL", "LOCK_RELEASED", "SHUTDOWN_CLEAN"]


def test_stop_running_from_a_handler(bot_api, postgres, start):
    """`application.stop_running()` ends the bot in order, as it does without the guard."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.send_text("stop")

    assert bot.ended() == 0
    assert bot.codes()[-1] == "SHUTDOWN_CLEAN"
    assert "run_polling returned" in bot.messages()
    assert bot_api.pending == []


def test_stop_running_before_it_runs(bot_api, postgres, start):
    """In post_init it ends the bot in order before the first poll, as it does without the guard."""
    bot = start(database=postgres, BREAK="stop_running")

    assert bot.ended() == 0
    assert bot.codes()[-2:] == ["LOCK_RELEASED", "SHUTDOWN_CLEAN"]
    assert bot_api.polls == []


def test_hanging_handler_is_left_behind(bot_api, postgres, start):
    """The drain has a bound: a handler that never ends does not keep the lock."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.send_text("hang")
    bot.wait_for("handler hang begins")

    assert bot.term() == 0
    assert any("application.stop() took longer than 3 s" in message for message in bot.messages())
    assert bot.codes()[-1] == "SHUTDOWN_CLEAN"
    assert texts(bot_api.pending) == ["hang"]  # the next instance gets it


def test_update_that_makes_no_sense(bot_api, postgres, start):
    """An update that cannot be read is left out and said, without what it holds; the others are answered."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.push({"message": {"message_id": "a private matter"}})
    bot_api.send_text("after it")
    wait_for_echo(bot_api, "after it")
    unreadable = bot.wait("UPDATE_UNREADABLE")

    assert bot.term() == 0
    assert unreadable["attrs"]["update_id"] < bot_api.acknowledged[-1]
    assert bot_api.pending == []
    assert len(bot.of("UPDATE_UNREADABLE")) == 1
    assert "private matter" not in json.dumps(unreadable)


def test_killed_bot_loses_no_update(bot_api, postgres, start):
    """What was fetched and not handled comes again to the next instance; what was handled does not."""
    first = start("first", database=postgres, CONCURRENT="8")
    first.wait("POLLING_STARTED")
    for text in ("hang", "quick"):
        bot_api.send_text(text)
    wait_for_echo(bot_api, "quick")
    first.wait_for("handler hang begins")
    second = start("second", database=postgres, HANG="0")
    second.wait("LOCK_WAITING")
    first.process.kill()
    wait_for_echo(bot_api, "hang")
    bot_api.wait_for(lambda: bot_api.pending == [])  # polls in haste are given one update at a time

    assert second.term() == 0
    assert bot_api.pending == []
    assert set(echoes(bot_api)) == {"echo quick", "echo hang"}


def test_deadly_update_does_not_kill_for_ever(bot_api, postgres, start):
    """What kills the process comes again while it is fresh; once it is old it is tried a last time."""
    first = start("first", database=postgres)
    first.wait("POLLING_STARTED")
    bot_api.send_text("die")
    assert first.ended() == 9
    again = texts(bot_api.pending)
    second = start("second", database=postgres, KEEP="1", LAST_CHANCE="0")
    bot_api.wait_for(lambda: bot_api.pending == [])
    second.ended()
    third = start("third", database=postgres, KEEP="1")
    third.wait("POLLING_STARTED")

    assert again == ["die"]
    assert third.term() == 0


def test_old_updates_are_tried_one_by_one(bot_api, postgres, start):
    """A deadly one among them takes none with it: each is acknowledged when its own turn comes."""
    for text in ("one", "die", "two"):
        bot_api.send_text(text)
    first = start("first", database=postgres, KEEP="1", LAST_CHANCE="0")
    assert first.ended() == 9
    left = texts(bot_api.pending)
    second = start("second", database=postgres, KEEP="1", LAST_CHANCE="0")
    wait_for_echo(bot_api, "two")

    assert left == ["two"]
    assert second.term() == 0
    assert echoes(bot_api) == ["echo one", "echo two"]


@pytest.mark.parametrize("how", ["forgets", "closes"])
def test_left_out_by_an_update_processor(bot_api, postgres, start, how):
    """What the bot's own update processor leaves out is handled: it holds nobody up, nor comes again."""
    bot = start(database=postgres, CHOOSY=how)
    bot.wait("POLLING_STARTED")
    for text in ("spam", "ham"):
        bot_api.send_text(text)
        bot_api.wait_for(lambda: bot_api.pending == [])

    assert echoes(bot_api) == ["echo ham"]
    assert "UPDATE_SLOW" not in bot.codes()
    assert bot.process.poll() is None
    bot.process.kill()  # a coroutine that nobody awaits is complained of by Python itself
    bot.ended()
    bot.said = bot.said.replace("never awaited", "")


@pytest.mark.parametrize("way", ["CONCURRENT", "UNBLOCKED", "TASK"])
def test_slow_handler_delays_nobody(bot_api, postgres, start, way):
    """Where updates run side by side, others are answered once each while one is in hand for long.

    It comes again if the drain cuts it short.
    """
    bot = start(database=postgres, **{way: "8"})
    bot.wait("POLLING_STARTED")
    bot_api.send_text("hang")
    bot.wait_for("handler hang begins")
    for text in ("one", "two"):
        bot_api.send_text(text)
        wait_for_echo(bot_api, text)

    assert texts(bot_api.pending)[0] == "hang"  # not acknowledged, nor is what came after it
    assert bot.term() == 0
    assert echoes(bot_api) == ["echo one", "echo two"]
    assert texts(bot_api.pending)[0] == "hang"


def test_handover_repeats_nothing(bot_api, postgres, start):
    """What ends within the drain is acknowledged before the lock goes: the successor never sees it."""
    first = start("first", database=postgres, HANG="1")
    first.wait("POLLING_STARTED")
    second = start("second", database=postgres)
    second.wait("LOCK_WAITING")
    bot_api.send_text("hang")
    first.wait_for("handler hang begins")
    status = first.term()
    bot_api.send_text("next")
    wait_for_echo(bot_api, "next")

    assert status == 0
    assert echoes(bot_api) == ["echo hang", "echo next"]
    assert bot_api.conflicts == 0
    assert second.term() == 0


def test_last_acknowledgement_parks_nowhere(bot_api, postgres, start):
    """What the last poll has said is not said again: Telegram would keep it waiting, and the lock with it."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.send_text("one")
    bot_api.wait_for(lambda: bot_api.pending == [])

    assert bot.term() == 0
    assert [poll.params["timeout"] for poll in bot_api.polls if poll.params.get("limit")] == []
    assert bot_api.acknowledged


def test_acknowledged_after_its_wait(bot_api, postgres, start):
    """UPDATE_SLOW: an update that nobody finishes does not hold back the acknowledgement for ever."""
    bot = start(database=postgres, CONCURRENT="8", ACK_WAIT="0.5")
    bot.wait("POLLING_STARTED")
    bot_api.send_text("hang")
    slow = bot.wait("UPDATE_SLOW")
    bot_api.wait_for(lambda: bot_api.pending == [])

    assert slow["attrs"]["update_id"] == bot_api.acknowledged[-1]
    assert bot.term() == 0


def test_python_telegram_bots_own_way(bot_api, postgres, start):
    """With ack_wait=0 an update is acknowledged when it is fetched."""
    bot = start(database=postgres, CONCURRENT="8", ACK_WAIT="0")
    bot.wait("POLLING_STARTED")
    bot_api.send_text("hang")
    bot.wait_for("handler hang begins")
    bot_api.wait_for(lambda: bot_api.pending == [])

    assert bot.term() == 0
    assert "UPDATE_SLOW" not in bot.codes()


def test_stuck_poller_ends(bot_api, postgres, start):
    """Polls that come back neither with an answer nor with an error are cured by a restart: exit 75."""
    bot = start(database=postgres, BREAK="stuck", STALL="4", SILENCE="4")
    stalled = bot.wait("POLLING_STALLED")

    assert stalled["fatal"] is True
    assert bot.ended() == 75
    assert bot.codes()[-1] == "LOCK_RELEASED"


def test_one_handler_keeps_all_waiting(bot_api, postgres, start):
    """A bot that polls and answers nobody says so, and in which line of its own; and when it goes on."""
    bot = start(database=postgres, STALL="2", ACK_WAIT="1")
    bot.wait("POLLING_STARTED")
    bot_api.send_text("wait")
    bot_api.send_text("one")
    stuck = bot.wait("HANDLERS_STUCK")
    bot.process.send_signal(signal.SIGUSR2)
    wait_for_echo(bot_api, "one")
    bot.wait("POLLING_STARTED", count=2)

    assert stuck["fatal"] is False
    assert re.search(r"now in answer \(.*bot\.py:\d+\)$", stuck["message"])
    assert stuck["attrs"]["waiting"] == 1
    assert stuck["attrs"]["stack"][-1].startswith("Event.wait (")
    assert len(bot.of("HANDLERS_STUCK")) == 1
    assert bot.term() == 0


def test_application_that_takes_nothing_more_ends(bot_api, postgres, start):
    """An error of the update processor ends PTB's own task: a restart cures it, and nothing else is lost."""
    first = start(database=postgres, CHOOSY="raises", STALL="60")
    first.wait("POLLING_STARTED")
    bot_api.send_text("spam")
    bot_api.send_text("one")
    stuck = first.wait("HANDLERS_STUCK")

    assert stuck["fatal"] is True
    assert first.ended() == 75
    second = start(database=postgres, CHOOSY="raises", KEEP="1")
    wait_for_echo(bot_api, "one")
    assert second.term() == 0


@pytest.mark.parametrize("why", [{"INTERVAL": "5", "HANG": "0"}, {"QUEUE": "1", "HANG": "5"}, {"HANG": "5"}])
@pytest.mark.long
def test_patience_is_no_standstill(bot_api, postgres, start, why):
    """Neither a pause that was asked for, nor handlers that have their hands full, nor a full queue."""
    bot = start(database=postgres, STALL="3", SILENCE="1", **why)
    bot.wait("POLLING_STARTED")
    for text in ("hang", "one", "two"):
        bot_api.send_text(text)
    wait_for_echo(bot_api, "two")

    assert bot.term() == 0
    assert "POLLING_STALLED" not in bot.codes()


def test_told_to_wait_is_not_stuck(bot_api, postgres, start):
    """A flood limit that Telegram sets for long is told, and ends nothing."""
    bot = start(database=postgres, STALL="3", SILENCE="1")
    bot.wait("POLLING_STARTED")
    bot_api.fail_next("getUpdates", retry_after=5)
    bot.wait("POLLING_STARTED", count=2)

    assert [stalled["fatal"] for stalled in bot.of("POLLING_STALLED")] == [False]
    assert bot.term() == 0


def test_network_away_while_polling(bot_api, postgres, start):
    """Polling that only fails is told once, ends nothing, and is over with the next answer."""
    bot = start(database=postgres, STALL="4")
    bot.wait("POLLING_STARTED")
    bot_api.down()
    stalled = bot.wait("POLLING_STALLED")
    bot_api.up()
    bot.wait("POLLING_STARTED", count=2)

    assert stalled["fatal"] is False
    assert len(bot.of("POLLING_STALLED")) == 1
    assert bot.term() == 0


def test_under_the_wrapper(bot_api, postgres, sentry, start):
    """With an event descriptor the guard speaks there as well, and alerts nobody by itself."""
    reader, writer = os.pipe()
    try:
        bot = start(database=postgres, SENTRY_DSN=sentry.dsn, LOGRULES_EVENT_FD=str(writer), fds=(writer,))
        bot.wait("POLLING_STARTED")
        bot_api.revoke()
        assert bot.ended() == 78
    finally:
        os.close(writer)
    with os.fdopen(reader) as events:
        told = [json.loads(line)["code"] for line in events]

    assert told == bot.codes()
    assert told[0] == "LOCK_ACQUIRED"
    assert sentry.events == {}


def test_blocking_handler_keeps_the_lock(bot_api, postgres, start):
    """A handler that hogs loop and interpreter for longer than the fence loses neither lock nor answer."""
    bot = start(database=postgres)
    bot.wait("POLLING_STARTED")
    bot_api.send_text("block")
    wait_for_echo(bot_api, "block")
    blocked = bot.wait("LOOP_BLOCKED")

    assert bot.term() == 0
    assert "LOCK_LOST" not in bot.codes()
    assert any(place.startswith("answer (") for place in blocked["attrs"]["stack"])


def test_kernel_without_a_timer_is_told_of(postgres, start):
    """Where the kernel refuses its timer the start says so, with the reason; the bot polls all the same."""
    bot = start(database=postgres, BREAK="no timers")
    bot.wait("POLLING_STARTED")
    weak = bot.of("LOCK_FENCE_WEAK")[0]

    assert "Resource temporarily unavailable" in weak["message"]
    assert weak["fatal"] is False
    assert bot.term() == 0


def test_contradicting_timers_end_the_start(start):
    """Two settings that contradict each other: one line with both names, status 78, nothing begun."""
    bot = start(LOGRULES_LEASE="20", LOGRULES_FENCE="25")

    assert bot.ended() == 78
    assert bot.codes() == ["CONFIG_INVALID"]
    assert "LOGRULES_LEASE or LOGRULES_FENCE" in bot.events[0]["message"]


@pytest.mark.long
def test_stopped_holder_is_ended_by_the_kernel(bot_api, postgres, start, tmp_path):
    """Frozen, it dies at its deadline without a word and polls no more; its next start tells of that run."""
    state = str(tmp_path / "state.sqlite3")
    frozen = start("frozen", database=postgres, LOGRULES_STATE=state)
    frozen.wait("POLLING_STARTED")
    epoch = frozen.of("LOCK_ACQUIRED")[0]["epoch"]
    frozen.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    os.waitid(os.P_PID, frozen.process.pid, os.WSTOPPED | os.WNOWAIT)
    status = frozen.ended()
    polls = [poll for poll in bot_api.polls if poll.when > stopped + 1]
    successor = start("successor", database=postgres, LOGRULES_STATE=state)
    told = successor.wait("RUN_UNFINISHED")

    assert status == -signal.SIGKILL
    assert polls == []
    assert told["attrs"]["run"]["instance"] == "frozen"
    assert told["attrs"]["run"]["epoch"] == epoch
    assert successor.term() == 0
    last = start("last", database=postgres, LOGRULES_STATE=state)
    last.wait("POLLING_STARTED")
    assert last.term() == 0
    assert "RUN_UNFINISHED" not in last.codes()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".run"] == []


def test_without_a_database(bot_api, start):
    """A file lock, said once; a second instance on the host waits; a conflict makes this one step back."""
    first = start("first", database="sqlite:///bot.db")
    first.wait("POLLING_STARTED")
    second = start("second")
    waiting = second.wait("LOCK_WAITING")
    with rival(bot_api):
        yielded = first.wait("CONFLICT_YIELDED")

    assert "LOCK_LOCAL_ONLY" in first.codes()
    assert waiting["attrs"]["holder"]["instance"] == "first"
    assert yielded["attrs"]["pause"] == 120
    assert first.term() == 0
    second.wait("LOCK_ACQUIRED")
    assert second.term() == 0


def asked(port, path):
    """The status of a GET, as soon as somebody listens."""
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_health(bot_api, postgres, start):
    """A standby is healthy and not ready, a poller is both; neither tells a secret."""
    ports = free_port(), free_port()
    first = start("first", database=postgres, PORT=str(ports[0]), SOON="1")
    first.wait("POLLING_STARTED")
    second = start("second", database=postgres, PORT=str(ports[1]), SOON="1")
    second.wait("LOCK_WAITING")
    polling, waiting = asked(ports[0], "/healthz"), asked(ports[1], "/healthz")
    metrics = asked(ports[0], "/metrics")[1]
    told = json.loads(polling[1]), json.loads(waiting[1])

    assert (polling[0], told[0]["state"], told[0]["holder"]) == (200, "polling", "first")
    assert (waiting[0], told[1]["state"], told[1]["holder"]) == (200, "waiting", "first")
    assert asked(ports[0], "/readyz")[0] == 200
    assert asked(ports[1], "/readyz")[0] == 503
    assert time.time() - told[0]["last_proof"] < 60
    assert time.time() - told[0]["last_poll"] < 60
    assert 'logrules_events_total{code="LOCK_ACQUIRED"} 1' in metrics
    assert 'logrules_lock_holder{holder="first"} 1' in metrics
    assert bot_api.token.partition(":")[2] not in metrics + polling[1] + waiting[1]
    assert PASSWORD not in metrics + polling[1] + waiting[1]
    assert first.term() == 0


def test_port_of_the_bots_own(bot_api, postgres, start):
    """A bot that listens on PORT itself finds it free, though the probes were answered while it waited."""
    port = free_port()
    first = start("first", database=postgres)
    first.wait("POLLING_STARTED")
    second = start("second", database=postgres, PORT=str(port), SOON="0", LISTEN=str(port))
    assert asked(port, "/healthz")[0] == 200
    first.term()
    second.wait("POLLING_STARTED")

    assert asked(port, "/healthz") == (200, "the bot's own")
    assert second.term() == 0


def test_preview_stays_idle(bot_api, postgres, start):
    """A preview deploy neither polls nor takes the lock; told to, it does."""
    port = free_port()
    idle = start("idle", database=postgres, IS_PULL_REQUEST="true", PORT=str(port), SOON="0")
    idle.wait("PREVIEW_IDLE")
    told = start("told", database=postgres, IS_PULL_REQUEST="true", LOGRULES_PREVIEW="poll")
    told.wait("POLLING_STARTED")

    assert json.loads(asked(port, "/healthz")[1])["state"] == "preview"
    assert idle.term() == 0
    assert idle.codes() == ["ALERTS_OFF", "PREVIEW_IDLE", "SHUTDOWN_SIGNAL", "SHUTDOWN_CLEAN"]
    assert told.term() == 0


@pytest.mark.long
def test_fatal_ends_in_a_row_delay_the_start(bot_api, postgres, start, tmp_path):
    """The first restart is free, the next one waits, healthy and stoppable; an end in order sets it back."""
    state = str(tmp_path / "state" / "bot.sqlite3")
    for _ in range(2):
        failing = start(database=postgres, BREAK="post_init", LOGRULES_STATE=state)
        assert failing.ended() == 70
    delayed = start(database=postgres, LOGRULES_STATE=state)
    event = delayed.wait("START_DELAYED")
    waited_out = delayed.wait("POLLING_STARTED")

    assert "START_DELAYED" not in failing.codes()
    assert event["attrs"]["row"] == 2
    assert waited_out["read"] - event["read"] >= event["attrs"]["seconds"] - 0.5
    assert delayed.term() == 0
    again = start(database=postgres, LOGRULES_STATE=state)
    again.wait("POLLING_STARTED")
    assert "START_DELAYED" not in again.codes()
    assert again.term() == 0


def test_parked(bot_api, postgres, start):
    """Where a restart cures nothing it stays if asked to: no lock, no poll, healthy, until SIGTERM."""
    port = free_port()
    bot = start(database=postgres, LOGRULES_ON_FATAL="park", REMINDER="0.3", PORT=str(port), SOON="0")
    bot.wait("POLLING_STARTED")
    bot_api.revoke()
    reminder = bot.wait("TOKEN_INVALID", count=3)
    status, body = asked(port, "/healthz")

    assert "parked" in reminder["message"]
    assert (status, json.loads(body)["state"]) == (200, "parked")
    assert "LOCK_RELEASED" in bot.codes()
    assert bot.term() == 78


def test_parked_at_its_start(bot_api, postgres, start):
    """Its port is answered there as well, though it was free for the bot's own code when the start failed."""
    port = free_port()
    bot_api.revoke()
    bot = start(database=postgres, LOGRULES_ON_FATAL="park", PORT=str(port), SOON="0")
    bot.wait("LOCK_RELEASED")
    status, body = asked(port, "/healthz")

    assert (status, json.loads(body)["state"]) == (200, "parked")
    assert bot.term() == 78


def test_parked_before_anything(start):
    """A setting that is malformed is no reason to be restarted for ever, either."""
    port = free_port()
    bot = start(LOGRULES_FLUSH="soon", LOGRULES_ON_FATAL="park", REMINDER="0.3", PORT=str(port), SOON="0")
    bot.wait("CONFIG_INVALID", count=2)
    status, body = asked(port, "/healthz")

    assert (status, json.loads(body)["state"]) == (200, "parked")
    assert bot.term() == 78


def test_nothing_is_parked_that_a_restart_cures(bot_api, postgres, start):
    """A lost database ends the process all the same: the next one may find it again."""
    bot = start(database=postgres, LOGRULES_ON_FATAL="park")
    bot.wait("POLLING_STARTED")
    postgres.stop()

    assert bot.ended() == 75


@pytest.mark.long
def test_own_loop(bot_api, postgres, start):
    """`async with` for those who have a loop of their own: a clean end, and the status of a fatal one."""
    clean = start(database=postgres, FOR="0.5")
    assert clean.ended() == 0
    told = start(database=postgres, FOR="60")
    told.wait("POLLING_STARTED")
    assert told.term() == 0
    assert told.codes()[-1] == "SHUTDOWN_CLEAN"
    fatal = start(database=postgres, FOR="60", LOGRULES_CONFLICT_GRACE="0")
    fatal.wait("POLLING_STARTED")
    bot_api.set_webhook("https://example.org/hook")

    assert fatal.ended() == 75
    assert clean.codes()[-2:] == ["LOCK_RELEASED", "SHUTDOWN_CLEAN"]
    assert "LOCK_RELEASED" in fatal.codes()
    assert not [line for line in fatal.said.splitlines() if not line.startswith("{")]  # no bare traceback


def test_in_another_thread(bot_api, postgres, start):
    """Beside a web application, in a thread without signals: it polls, and ends in order with its body."""
    bot = start(database=postgres, FOR="4", THREAD="1")
    bot_api.send_text("hello")
    wait_for_echo(bot_api, "hello")

    assert bot.ended() == 0
    assert bot.codes()[-2:] == ["LOCK_RELEASED", "SHUTDOWN_CLEAN"]


def test_fatal_end_in_another_thread(bot_api, postgres, start):
    """A program whose bot has ended fatally does not live on without it."""
    bot = start(database=postgres, FOR="60", THREAD="1", STAYS="1")
    bot.wait("POLLING_STARTED")
    bot_api.revoke()

    assert bot.ended() == -signal.SIGTERM
    assert bot.codes()[-2:] == ["TOKEN_INVALID", "LOCK_RELEASED"]


def test_beside_a_web_server(bot_api, postgres, start):
    """The server is up while the bot waits for its lock, and can be stopped then; a fatal end is its end."""
    holder = start("holder", database=postgres, SERVER="1")
    holder.wait("POLLING_STARTED")
    waiting = start("waiting", database=postgres, SERVER="1")
    waiting.wait_for("the server is up")
    waiting.wait("LOCK_WAITING")
    waiting.process.send_signal(signal.SIGTERM)
    waiting.wait("SHUTDOWN_CLEAN")
    bot_api.revoke()

    assert holder.ended() == 78
    assert holder.codes()[-2:] == ["TOKEN_INVALID", "LOCK_RELEASED"]
    assert waiting.codes()[-1] == "SHUTDOWN_CLEAN"
    assert "the server is up" in waiting.messages()
