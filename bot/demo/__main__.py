"""Four acts on this machine alone: real python-telegram-bot, PostgreSQL, processes; a double of Telegram."""

from __future__ import annotations

import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.demo.stage import PATIENCE, Bot, Stage
from logrules.testing import BotApiServer, PostgresServer, SentryReceiver

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "123456:" + "A" * 35
USER = 42
FIGHTS = 4
"""Conflicts to wait for in the first act: enough to see that they do not stop by themselves."""


def main() -> int:
    """Play the four acts; 0 if everything went as announced."""
    stage = Stage()
    stage.say(
        "Starting PostgreSQL, a double of Telegram's Bot API and a Sentry receiver, all on this machine."
    )
    with (
        tempfile.TemporaryDirectory(prefix="logrules-demo-") as folder,
        PostgresServer() as postgres,
        BotApiServer() as telegram,
        SentryReceiver() as sentry,
    ):
        environ = {
            "BOT_TOKEN": TOKEN,
            "BOT_API": telegram.url,
            "LOGRULES_BOT_API": telegram.url,
            "LOGRULES_SERVICE": "echo-bot",
            "LOGRULES_STATE": str(Path(folder) / "state.db"),
            "LOGRULES_OVERLAP": "0",
            "SENTRY_DSN": sentry.dsn,
        }
        guarded = {**environ, "DATABASE_URL": postgres.url}
        unguarded(stage, telegram, sentry, environ)
        handover(stage, telegram, guarded)
        rival(stage, telegram, sentry, guarded)
        database_gone(stage, postgres, telegram, sentry, guarded)
    return stage.reckon()


def unguarded(
    stage: Stage, telegram: BotApiServer, sentry: SentryReceiver, environ: Mapping[str, str]
) -> None:
    """Act 1: an ordinary bot, deployed twice."""
    stage.act("Act 1: an ordinary bot, deployed twice")
    stage.say(
        "A deploy overlaps: the old instance still polls when the new one begins. Both run run_polling()."
    )
    with Bot(stage, "old", [], environ) as old, Bot(stage, "new", [], environ) as new:
        fought = telegram.wait_for(lambda: telegram.conflicts >= FIGHTS, timeout=PATIENCE)
        stage.say(f"Telegram has answered [red]409 Conflict {telegram.conflicts} times[/] in a few seconds.")
        stage.say("Both processes are alive, the platform sees two healthy instances, and nobody is told.")
        stage.expect(
            "unguarded: the two fight",
            f"≥ {FIGHTS} conflicts",
            f"{'≥' if fought else '<'} {FIGHTS} conflicts",
        )
        stage.expect("unguarded: and stay alive", "2 alive", f"{old.alive + new.alive} alive")
        stage.expect("unguarded: alerts", 0, len(sentry.events))


def handover(stage: Stage, telegram: BotApiServer, environ: Mapping[str, str]) -> None:
    """Act 2: the same code with the one line."""
    stage.act("Act 2: the same code with one line changed: guard(application).run_polling()")
    before = telegram.conflicts
    with Bot(stage, "first", ["--guarded"], environ) as first:
        polling = first.wait_for("POLLING_STARTED")
        stage.expect("guarded: the first one polls", "POLLING_STARTED", polling.get("code", "nothing"))
        said = "yes" if first.has("LOCK_ACQUIRED") and first.has("WEBHOOK_DELETED") else "no"
        stage.expect("guarded: lock, webhook deleted", "yes", said)
        stage.say("A second instance starts. It stays healthy, waits, and knows for whom.")
        with Bot(stage, "second", ["--guarded"], environ) as second:
            waiting = second.wait_for("LOCK_WAITING")
            stage.expect(
                "guarded: the second waits, alive, for", "first", _holder(waiting) if second.alive else ""
            )
            stage.say("A user writes; the first instance answers.")
            stage.expect("guarded: a user is answered by", "first", _ask(telegram, "hello"))
            stage.say(
                "The platform stops the first instance (SIGTERM), and the user writes at that very moment."
            )
            first.terminate()
            telegram.send_text("are you there?", from_id=USER)
            stage.expect("guarded: exit status after SIGTERM", 0, first.wait())
            second.wait_for("POLLING_STARTED")
            telegram.wait_for(lambda: len(telegram.sent) > 1, timeout=PATIENCE)
            stage.expect("guarded: the next message is answered by", "second", _ask(telegram, "still there?"))
            stage.expect("guarded: answers to three messages", 3, len(telegram.sent))
            stage.expect("guarded: conflicts", 0, telegram.conflicts - before)
            second.terminate()
            second.wait()


def rival(stage: Stage, telegram: BotApiServer, sentry: SentryReceiver, environ: Mapping[str, str]) -> None:
    """Act 3: somebody polls without our lock."""
    stage.act("Act 3: a foreign poller with the same token (a laptop, a second service, a leaked token)")
    with Bot(stage, "ours", ["--guarded"], environ) as ours:
        ours.wait_for("POLLING_STARTED")
        stage.say(
            "A stranger begins to poll. One conflict may be the echo of a deploy; the second one is proof."
        )
        with _Stranger(telegram.url):
            conflict = ours.wait_for("CONFLICT_409")
            stage.expect("rival: proved", "CONFLICT_409", conflict.get("code", "nothing"))
            stage.expect("rival: clean exit with status", 75, ours.wait())
        sentry.wait_for(lambda: bool(_alerts(sentry, "CONFLICT_409")), timeout=PATIENCE)
        alerts = _alerts(sentry, "CONFLICT_409")
        stage.expect("rival: alerts in Sentry", 1, len(alerts))
        stage.say("What to do, as the alert in Sentry says it:")
        for alert in alerts[:1]:
            stage.quote(alert["contexts"]["remediation"]["en"])


def database_gone(
    stage: Stage,
    postgres: PostgresServer,
    telegram: BotApiServer,
    sentry: SentryReceiver,
    environ: Mapping[str, str],
) -> None:
    """Act 4: the lock's database goes away."""
    stage.act("Act 4: the database that holds the lock goes away")
    with Bot(stage, "ours", ["--guarded"], environ) as ours:
        ours.wait_for("POLLING_STARTED")
        stage.say("PostgreSQL stops. Without the lock the bot must not poll for one more second.")
        postgres.stop(mode="immediate")
        failed = ours.wait_for("LOCK_REACQUIRE_FAILED")
        stage.expect(
            "database: loss noticed", "LOCK_LOST", "LOCK_LOST" if ours.has("LOCK_LOST") else "nothing"
        )
        stage.expect(
            "database: taking it again fails", "LOCK_REACQUIRE_FAILED", failed.get("code", "nothing")
        )
        stage.expect("database: clean exit with status", 75, ours.wait())
        sentry.wait_for(lambda: bool(_alerts(sentry, "LOCK_REACQUIRE_FAILED")), timeout=PATIENCE)
        stage.expect("database: alerts in Sentry", 1, len(_alerts(sentry, "LOCK_REACQUIRE_FAILED")))


def _ask(telegram: BotApiServer, text: str) -> str:
    """Write to the bot as a user; the name of the instance that answered."""
    answered = len(telegram.sent)
    telegram.send_text(text, from_id=USER)
    telegram.wait_for(lambda: len(telegram.sent) > answered, timeout=PATIENCE)
    answers = [message.text for message in telegram.sent[answered:]]
    return answers[0].partition(":")[0] if answers else "nobody"


def _holder(waiting: Mapping[str, object]) -> str:
    """Whom LOCK_WAITING names."""
    return "first" if "first" in str(waiting.get("message")) else str(waiting.get("message", "nobody"))


def _alerts(sentry: SentryReceiver, code: str) -> list[dict[str, Any]]:
    return [event for event in sentry.events.values() if event["tags"]["code"] == code]


class _Stranger:
    """A poller that knows nothing of locks: getUpdates, again and again, as a laptop would."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/bot{TOKEN}/getUpdates?timeout=10"
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._gone.set()

    def _poll(self) -> None:
        while not self._gone.is_set():
            try:
                urllib.request.urlopen(self._url, timeout=PATIENCE).close()  # noqa: S310  http on loopback
            except OSError:
                self._gone.wait(0.5)


if __name__ == "__main__":
    sys.exit(main())
