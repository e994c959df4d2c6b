"""Real clients of the Bot API under `logrules run`, and what becomes of each when Telegram says no.

Three families: those that poll on whatever comes, those that die of a conflict and of a refused token, and
those that simply come to their end. None of them knows logrules. They also prove that the double is one:
whatever these clients send, it takes.

The clients for Node.js are installed by `make families`; without them their tests are skipped.
"""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from logrules.testing import BotApiServer, Timing
from tests.e2e.test_alerting import Stage, ours

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "data" / "clients"
MODULES = ROOT / ".venv" / "clients" / "node_modules"
RUN = (sys.executable, "-m", "logrules", "run")

GO_ON = {
    "python": {
        "ptb": (sys.executable, "ptb.py"),
        "aiogram": (sys.executable, "aiogram3.py"),
        "telebot": (sys.executable, "pytelegrambotapi.py"),
    },
    "node": {"ntba": ("node", "ntba.js")},
}
DIE = {
    "telegraf": ("node", "telegraf.js"),
    "grammy": ("node", "grammy.js"),
    "ntba2": ("node", "ntba2.js"),
}
HEARTBEATS = {"ptb": ("--heartbeat", "polling"), "aiogram": ("--heartbeat", "output:5")}
needs_node = pytest.mark.skipif(
    not (shutil.which("node") and MODULES.exists()),
    reason="needs Node.js and the clients that `make families` installs",
)


class Families(Stage):
    """A stage on which each client has a bot, a service and a state of its own."""

    def __init__(self, api, sentry, folder):
        super().__init__(api, sentry, folder)
        self.tokens = {}

    def start(self, name, command, *options):
        """Start a client under `run`, as a service that bears its name."""
        runtime, script, *arguments = command
        token = self.tokens.setdefault(name, f"{700 + len(self.tokens)}:{name:A<35}")
        self.api.add_bot(token)
        return self.begin(
            *RUN,
            *options,
            "--",
            runtime,
            str(CLIENTS / script),
            *arguments,
            BOT_TOKEN=token,
            NODE_PATH=MODULES,
            LOGRULES_SERVICE=name,
            LOGRULES_STATE=self.folder / f"{name}.db",
        )

    def polls(self, name):
        return [poll for poll in self.api.polls if poll.token == self.tokens[name]]

    def met(self, name):
        return {poll.status for poll in self.polls(name)} - {200, None}

    def echoes(self, names, text):
        """Each of them answers a user: what it sends is what the Bot API takes."""
        for name in names:
            self.api.send_text(f"{text} {name}", token=self.tokens[name])
        self.api.wait_for(lambda: {f"{text} {n}" for n in names} <= {s.text for s in self.api.sent}, 60)

    def alerts(self, name, of):
        """How loud each alert of this code about a client was."""
        told = [event for event in ours(self.sentry) if event["tags"]["service"] == name]
        return [event["level"] for event in told if event["tags"]["code"] == of]

    def leaks(self, name, bot):
        """What of ours holds a token, though a library of the bot's own prints it with each request."""
        said = [event for event in bot.events if event.get("v") == 1]
        return [each for each in said if self.tokens[name] in str(each)] or self.sentry.holds(
            self.tokens[name]
        )

    def beats(self, name):
        """Every how many minutes its monitor expects it."""
        beats = [beat for beat in self.sentry.check_ins if beat["monitor_slug"] == name]
        return {beat["monitor_config"]["schedule"]["value"] for beat in beats}

    def trouble(self, names):
        """What passes: a rate limit, a front end without a back end, and no network at all."""
        for token in (self.tokens[name] for name in names):
            self.api.fail_next("getUpdates", retry_after=1, token=token)
            self.api.fail_next("getUpdates", 502, raw=b"<html>502 Bad Gateway</html>", token=token)
        self.echoes(names, "amid")  # who waits for updates asks anew
        self.api.wait_for(lambda: all(self.met(name) == {429, 502} for name in names), 60)
        self.api.down()
        self.api.up()

    @contextmanager
    def rivals(self, names):
        """Somebody else polls each of them."""
        stop = threading.Event()

        def poll(token):
            while not stop.is_set():
                url = f"{self.api.url}/bot{token}/getUpdates?timeout=5"
                try:
                    urllib.request.urlopen(url, timeout=30).read()
                except urllib.error.HTTPError as error:
                    error.close()
                except OSError:
                    return

        threads = [threading.Thread(target=poll, args=(self.tokens[name],)) for name in names]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def families(sentry, tmp_path):
    """Telegram's seconds are short; the clients' own, in which they rest after an error, are not."""
    with BotApiServer(timing=Timing(second=0.2)) as api:
        stage = Families(api, sentry, tmp_path)
        yield stage
        stage.close()


def fatal(bot):
    return {event["code"] for event in bot.events if event.get("fatal")}


@pytest.mark.long
@pytest.mark.parametrize("language", ["python", pytest.param("node", marks=needs_node)])
def test_those_that_poll_for_ever(families, language):
    """What passes ends nobody, nor does a conflict; a revoked token ends each with 78. Each is told once."""
    clients = GO_ON[language]
    bots = {
        name: families.start(name, command, *HEARTBEATS.get(name, ())) for name, command in clients.items()
    }
    families.echoes(clients, "before")
    families.trouble(clients)
    families.echoes(clients, "after")
    with families.rivals(clients):
        for bot in bots.values():
            bot.wait("CONFLICT_409")
    assert [fatal(bot) for bot in bots.values()] == [set()] * len(bots)
    for name in clients:
        families.api.revoke(families.tokens[name])

    assert {name: bot.ended() for name, bot in bots.items()} == dict.fromkeys(bots, 78)
    for name, bot in bots.items():
        assert fatal(bot) == {"TOKEN_INVALID"}
        assert families.alerts(name, "CONFLICT_409") == ["warning"]
        assert families.alerts(name, "TOKEN_INVALID") == ["fatal"]
        assert families.alerts(name, "PROCESS_EXITED") == []
        assert not families.leaks(name, bot)
        assert families.beats(name) == {"ptb": {1}, "aiogram": {5}}.get(name, set())


@pytest.mark.long
@needs_node
def test_those_that_die(families):
    """What passes ends nobody; a conflict or a refused token ends each, with its own status, told once."""
    for token_is_good in (True, False):
        clients = {f"{name}{token_is_good:d}": command for name, command in DIE.items()}
        bots = {name: families.start(name, command) for name, command in clients.items()}
        families.echoes(clients, "before")
        if token_is_good:
            families.trouble(clients)
            families.echoes(clients, "after")
            with families.rivals(clients):
                statuses = {name: bot.ended() for name, bot in bots.items()}
        else:
            for name in clients:
                families.api.revoke(families.tokens[name])
            statuses = {name: bot.ended() for name, bot in bots.items()}

        code = "CONFLICT_409" if token_is_good else "TOKEN_INVALID"
        assert statuses == dict.fromkeys(bots, 1)
        for name, bot in bots.items():
            assert fatal(bot) == {code}, bot.said
            assert families.alerts(name, code) == ["fatal"]
            assert families.alerts(name, "PROCESS_EXITED") == []


@pytest.mark.long
@needs_node
def test_one_that_dies_comes_back(families):
    """With `--on-fatal restart` a bot that dies of a conflict answers again when its rival has gone."""
    bot = families.start("grammy", DIE["grammy"], "--on-fatal", "restart")
    families.echoes(["grammy"], "before")
    with families.rivals(["grammy"]):
        bot.wait("START_DELAYED")
    families.echoes(["grammy"], "after")
    bot.signal(signal.SIGTERM)

    assert bot.ended() == 0
    assert {event["attrs"]["code"] for event in bot.of("START_DELAYED")} == {"CONFLICT_409"}
    assert families.alerts("grammy", "CONFLICT_409") == ["fatal"]


@pytest.mark.long
def test_a_webhook_beside_a_poll(families):
    """A webhook that is set is told as an error; it ends the bot, with its status 75, if that was asked."""
    clients = {"lives": (), "stops": ("--stop-on", "CONFLICT_409")}
    bots = {name: families.start(name, GO_ON["python"]["telebot"], *told) for name, told in clients.items()}
    families.echoes(clients, "before")
    for name in clients:
        families.api.set_webhook("https://bot.example/hook", token=families.tokens[name])

    assert bots["stops"].ended() == 75
    bots["lives"].wait("CONFLICT_409", 2)
    families.sentry.wait_for(lambda: families.alerts("lives", "CONFLICT_409"))
    said = {(event["reason"], event["fatal"]) for event in bots["lives"].of("CONFLICT_409")}
    assert said == {("webhook_active", False)}
    assert families.alerts("lives", "CONFLICT_409") == ["error"]
    families.api.set_webhook("", token=families.tokens["lives"])
    families.echoes(["lives"], "after")
    bots["lives"].signal(signal.SIGTERM)
    assert bots["lives"].ended() == 128 + signal.SIGTERM


def test_one_that_comes_to_its_end(families):
    """A polling() that returns of a conflict, with status 0, is an error: a bot is not meant to end."""
    command = (*GO_ON["python"]["telebot"], "once")
    bot = families.start("once", command)
    families.echoes(["once"], "before")
    with families.rivals(["once"]):
        assert bot.ended() == 0

    assert fatal(bot) == set()
    assert bot.of("PROCESS_EXITED")[0]["reason"] == "returned"
    assert families.alerts("once", "CONFLICT_409") == ["error"]
    assert families.alerts("once", "PROCESS_EXITED") == []
