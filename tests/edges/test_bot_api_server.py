"""The Bot API double keeps the official server's rules, and foreign clients believe it."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
import telebot
import telegram
from telegram.ext import Application

from logrules.testing import BotApiServer, MethodError, Timing
from logrules.testing.updates import GET_UPDATES_CONFLICT, WEBHOOK_CONFLICT, Polling, UpdateQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[..., "Client"]

FAST = Timing(second=0.02)


# The rules of getUpdates, on a clock that the test turns


@dataclass
class Alarm:
    """An entry of ManualClock."""

    time: float
    work: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class ManualClock:
    """Time passes when the test says so."""

    time: float = 1000.0
    alarms: list[Alarm] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def later(self, delay: float, work: Callable[[], None]) -> Alarm:
        self.alarms.append(Alarm(self.time + delay, work))
        return self.alarms[-1]

    def advance(self, seconds: float) -> None:
        end = self.time + seconds
        while due := [alarm for alarm in self.alarms if not alarm.cancelled and alarm.time <= end]:
            alarm = min(due, key=lambda alarm: alarm.time)
            self.alarms.remove(alarm)
            self.time = max(self.time, alarm.time)
            alarm.work()
        self.time = end


@dataclass
class Answer:
    """What a poll was told, and when."""

    clock: ManualClock
    at: float | None = None
    updates: list[int] | None = None
    error: tuple[int, str] | None = None

    @property
    def told(self) -> bool:
        return self.at is not None

    def ok(self, result: Any, description: str | None = None) -> None:
        assert self.at is None
        self.at, self.updates = self.clock.now(), [update["update_id"] for update in result]

    def fail(self, code: int, description: str, retry_after: int | None = None) -> None:
        assert self.at is None
        self.at, self.error = self.clock.now(), (code, description)


class Rules:
    """One bot's polling on a ManualClock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.queue = UpdateQueue(self.clock, Timing().keep)
        self.polling = Polling(self.queue, self.clock, Timing())

    def poll(self, **params: Any) -> Answer:
        answer = Answer(self.clock)
        self.polling.get_updates(answer, **params)
        return answer

    def push(self, count: int = 1, text: str = "") -> list[int]:
        ids = [self.queue.push({"message": {"text": text}}) for _ in range(count)]
        self.polling.wake()
        return ids

    @property
    def pending(self) -> list[int]:
        return [update.id for update in self.queue.pending]


@pytest.fixture
def rules() -> Rules:
    return Rules()


CONFLICT = (409, GET_UPDATES_CONFLICT)


def test_empty_poll_parks_until_its_timeout(rules: Rules) -> None:
    """A poll with nothing to fetch is answered, with nothing, when its own timeout is over."""
    poll = rules.poll(timeout=10)
    rules.clock.advance(9.9)
    assert not poll.told

    rules.clock.advance(0.2)

    assert (poll.at, poll.updates) == (1010.0, [])


def test_timeout_is_clamped_to_50(rules: Rules) -> None:
    """However long a client wants to wait, 50 s is all it gets."""
    poll = rules.poll(timeout=3600)
    rules.clock.advance(100)

    assert poll.at == 1050.0


@pytest.mark.parametrize(("limit", "given"), [(0, 1), (-5, 1), (7, 7), (100, 100), (1000, 100)])
def test_limit_is_clamped_to_1_and_100(rules: Rules, limit: int, given: int) -> None:
    """A limit below 1 means 1, one above 100 means 100."""
    ids = rules.push(150)

    assert rules.poll(limit=limit).updates == ids[:given]


def test_older_poll_gets_the_conflict(rules: Rules) -> None:
    """The second parking poll stays; the first is told 409, at once."""
    older, newer = rules.poll(timeout=30), rules.poll(timeout=30)

    assert (older.at, older.error) == (1000.0, CONFLICT)
    assert newer.at is None


def test_second_conflict_within_3_s_comes_3_s_late(rules: Rules) -> None:
    """A conflict soon after another is told exactly 3 s after it arose, and one after the window at once."""
    first, second = rules.poll(timeout=50), rules.poll(timeout=50)
    rules.clock.advance(1)
    third = rules.poll(timeout=50)
    assert not second.told

    rules.clock.advance(3)

    assert (first.at, second.at, second.error) == (1000.0, 1004.0, CONFLICT)
    rules.poll(timeout=50)  # the delayed one has not prolonged the window, which ended at 1003
    assert third.at == 1004.0


def test_poll_with_updates_conflicts_with_nobody(rules: Rules) -> None:
    """A newcomer that finds updates, or does not want to wait, leaves the parked poll alone."""
    parked = rules.poll(timeout=30, offset=0)
    [update] = [rules.queue.push({"message": {}})]  # in the queue before the parked poll is woken
    rules.clock.advance(5)

    assert rules.poll(timeout=30, offset=-1).updates == [update]
    assert parked.at is None


def test_short_poll_throttle(rules: Rules) -> None:
    """A second poll with the same offset and a timeout below 3 s, within 3 s, is made to wait 3 s."""
    assert rules.poll(offset=0, timeout=0).at == 1000.0
    rules.clock.advance(2.9)
    throttled = rules.poll(offset=0, timeout=0)
    rules.clock.advance(2.9)
    assert not throttled.told

    rules.clock.advance(0.2)

    assert throttled.at == pytest.approx(1005.9)
    rules.clock.advance(3)
    assert rules.poll(offset=0, timeout=0).at == rules.clock.now()  # 3 s apart: not throttled


def test_two_short_polls_of_one_program_conflict(rules: Rules) -> None:
    """A throttled short poll parks, so the next one throws it out: a program can conflict with itself."""
    rules.poll(timeout=0)
    parked = rules.poll(timeout=0)
    rules.poll(timeout=0)

    assert parked.error == CONFLICT


def test_another_offset_is_not_throttled(rules: Rules) -> None:
    """The throttle compares offsets only: who acknowledges something new is answered at once."""
    ids = rules.push(2)
    rules.poll(timeout=0, offset=0)

    assert rules.poll(timeout=0, offset=ids[-1] + 1).updates == []


def test_hasty_poll_gets_one_update(rules: Rules) -> None:
    """The same offset within half a second: limit 1."""
    ids = rules.push(3)
    assert rules.poll().updates == ids
    rules.clock.advance(0.4)
    assert rules.poll().updates == ids[:1]

    rules.clock.advance(0.5)

    assert rules.poll().updates == ids


def test_offset_acknowledges_on_arrival(rules: Rules) -> None:
    """What lies before the offset is gone before the poll is answered."""
    ids = rules.push(3)
    poll = rules.poll(offset=ids[2] + 1, timeout=30)

    assert poll.at is None
    assert rules.pending == []
    assert rules.queue.acknowledged == ids


def test_offset_keeps_what_it_names(rules: Rules) -> None:
    """The update whose id is the offset is the first to come; only those before it are acknowledged."""
    ids = rules.push(3)

    assert rules.poll(offset=ids[1]).updates == ids[1:]
    assert (rules.pending, rules.queue.acknowledged) == (ids[1:], ids[:1])


def test_offset_zero_acknowledges_nothing(rules: Rules) -> None:
    """Without an offset the same updates come again."""
    ids = rules.push(2)

    assert rules.poll().updates == ids
    assert (rules.pending, rules.queue.acknowledged) == (ids, [])


def test_negative_offset_destroys(rules: Rules) -> None:
    """offset=-1 throws away every update but the last, unread."""
    ids = rules.push(5)

    assert rules.poll(offset=-2).updates == ids[-2:]
    assert rules.queue.dropped == ids[:3]


@pytest.mark.parametrize("away", [11, 5000, -2_000_001, 2**31])
def test_offset_too_far_means_the_head(rules: Rules, away: int) -> None:
    """An offset far from the newest id acknowledges nothing and reads from the oldest."""
    ids = rules.push(3)

    assert rules.poll(offset=ids[-1] + 1 + away).updates == ids
    assert rules.pending == ids


def test_offset_a_little_too_far_acknowledges_all(rules: Rules) -> None:
    """Up to 10 beyond the newest id counts."""
    ids = rules.push(3)

    assert rules.poll(offset=ids[-1] + 11).updates == []
    assert rules.queue.acknowledged == ids


def test_update_wakes_the_parked_poll_after_a_moment_of_quiet(rules: Rules) -> None:
    """Updates that come within a millisecond of one another are answered together, after 2 ms at most."""
    poll = rules.poll(timeout=30)
    ids = rules.push()
    for _ in range(3):
        rules.clock.advance(0.0008)
        if poll.at is None:
            ids += rules.push()
    rules.clock.advance(1)

    assert poll.updates == ids
    assert poll.at == pytest.approx(1000.002)


def test_ids_are_random_then_consecutive(rules: Rules) -> None:
    """The first id is drawn from millions, each next is one higher."""
    ids = rules.push(3)

    assert ids == list(range(ids[0], ids[0] + 3))
    assert {Rules().push()[0] for _ in range(5)} != {ids[0]}


def test_updates_are_kept_for_a_day(rules: Rules) -> None:
    """What nobody fetches within 24 hours is gone."""
    old = rules.push()
    rules.clock.advance(86_000)
    new = rules.push()
    rules.clock.advance(401)

    assert rules.poll().updates == new
    assert rules.queue.dropped == old


def test_answer_is_cut_at_4_mib(rules: Rules) -> None:
    """A batch ends before it grows beyond 4 MiB; the rest stays."""
    ids = rules.push(6, text="x" * (1 << 20))

    assert rules.poll().updates == ids[:3]
    assert rules.pending == ids


# The same over HTTP


@pytest.fixture
def fast() -> Iterator[BotApiServer]:
    """A server whose second lasts 20 ms."""
    with BotApiServer(timing=FAST) as server:
        yield server


class Client:
    """One HTTP connection of a bot."""

    def __init__(self, api: BotApiServer, token: str | None = None) -> None:
        self.api = api
        self.path = f"/bot{token or api.token}/"
        self.connection = http.client.HTTPConnection(str(urlsplit(api.url).netloc), timeout=60)

    def send(self, method: str, /, **params: Any) -> Client:
        """Send a call and return when the server has it."""
        before = len(self.api.requests)
        body = urlencode(params)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", self.path + method, body, headers)
        self.api.wait_for(lambda: len(self.api.requests) > before)
        return self

    def read(self) -> dict[str, Any]:
        """The answer to it."""
        response = self.connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
        return {"status": response.status, "headers": dict(response.headers)} | body

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Send and read."""
        return self.send(method, **params).read()

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


@pytest.fixture
def client(fast: BotApiServer) -> Iterator[Connect]:
    """Makes connections to the fast server."""
    with ExitStack() as stack:
        yield lambda token=None: stack.enter_context(closing(Client(fast, token)))


def failure(answer: dict[str, Any]) -> tuple[int, str]:
    assert answer["ok"] is False
    assert answer["status"] == answer["error_code"]
    return answer["status"], answer["description"]


def test_parked_poll_gets_the_next_update(fast: BotApiServer, client: Connect) -> None:
    """What a user writes reaches the bot that waits, and is pending until an offset confirms it."""
    poll = client().send("getUpdates", timeout=50)
    update_id = fast.send_text("/start now", from_id=42, language="ru")
    [update] = poll.read()["result"]

    assert update["update_id"] == update_id
    assert update["message"]["text"] == "/start now"
    assert update["message"]["from"]["language_code"] == "ru"
    assert update["message"]["chat"] == {"id": 42, "type": "private", "first_name": "User 42"}
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert fast.pending == [update]


def test_two_pollers_and_the_journal(fast: BotApiServer, client: Connect) -> None:
    """The older poller reads the 409; the journal says who got what, when, on which connection."""
    older, newer = client(), client()
    older.send("getUpdates", timeout=50)
    newer.send("getUpdates", timeout=50)

    assert failure(older.read()) == CONFLICT
    first, second = fast.polls
    assert (first.status, second.status, fast.conflicts) == (409, None, 1)
    assert first.ended is not None
    assert first.ended >= second.when > first.when
    assert first.port != second.port


def test_delayed_conflict_waits_3_s_of_the_server(fast: BotApiServer, client: Connect) -> None:
    """`Timing.second` scales the delay: the second 409 comes three of the server's seconds late."""
    polls = [client().send("getUpdates", timeout=50) for _ in range(3)]

    assert [failure(poll.read()) for poll in polls[:2]] == [CONFLICT, CONFLICT]
    delayed, cause = fast.polls[1], fast.polls[2]
    assert delayed.ended is not None
    assert delayed.ended - cause.when >= 3 * FAST.second * 0.99


def test_dead_client_stays_parked(fast: BotApiServer, client: Connect) -> None:
    """A client that hangs up gives nobody a conflict; its successor's poll is simply the parked one."""
    dead, alive = client(), client()
    dead.send("getUpdates", timeout=50)
    dead.close()
    fast.wait_for(lambda: fast.polls[0].gone)
    assert fast.bot().polling.parked is not None

    alive.send("getUpdates", timeout=50)
    fast.send_text("still here")

    assert [update["message"]["text"] for update in alive.read()["result"]] == ["still here"]
    assert fast.conflicts == 0


def test_update_answered_to_a_dead_client_is_not_lost(fast: BotApiServer, client: Connect) -> None:
    """It was never acknowledged: the next poll gets it."""
    dead = client()
    dead.send("getUpdates", timeout=50)
    dead.close()
    fast.wait_for(lambda: fast.polls[0].gone)
    update_id = fast.send_text("hello")
    fast.wait_for(lambda: fast.bot().polling.parked is None)

    assert [update["update_id"] for update in client().call("getUpdates")["result"]] == [update_id]


def test_webhook_conflicts_with_getupdates(fast: BotApiServer, client: Connect) -> None:
    """While a webhook is set, a poll gets 409, and so does a parked one when somebody sets it."""
    parked = client().send("getUpdates", timeout=50)
    fast.set_webhook("https://rival.example/hook")
    assert failure(parked.read()) == (409, "Conflict: terminated by setWebhook request")

    assert failure(client().call("getUpdates")) == (409, WEBHOOK_CONFLICT)
    assert client().call("getWebhookInfo")["result"]["url"] == "https://rival.example/hook"


def test_deleting_a_webhook(fast: BotApiServer, client: Connect) -> None:
    """DeleteWebhook says what it did, leaves a parked poll alone, and drops updates only if asked to."""
    bot = client()
    assert bot.call("setWebhook", url="https://a.example")["description"] == "Webhook was set"
    fast.send_text("kept")
    assert bot.call("deleteWebhook")["description"] == "Webhook was deleted"
    assert bot.call("deleteWebhook")["description"] == "Webhook is already deleted"
    assert bot.call("getWebhookInfo")["result"]["pending_update_count"] == 1

    assert bot.call("deleteWebhook", drop_pending_updates="true")["result"] is True

    assert (fast.pending, len(fast.dropped)) == ([], 1)
    parked = client().send("getUpdates", timeout=50)
    bot.call("deleteWebhook")
    fast.send_text("for the parked one")
    assert len(parked.read()["result"]) == 1


def test_a_second_webhook_too_soon_is_refused() -> None:
    """However slow the machine: this server's patience outlasts the test."""
    with BotApiServer(timing=Timing(set_webhook_every=3600.0)) as server, closing(Client(server)) as bot:
        assert bot.call("setWebhook", url="https://a.example")["ok"]
        assert bot.call("setWebhook", url="https://b.example")["error_code"] == 429


def test_setting_the_same_webhook_again(fast: BotApiServer, client: Connect) -> None:
    """The second time it is already there."""
    bot = client()
    bot.call("setWebhook", url="https://a.example")
    fast.wait_for(lambda: bot.call("setWebhook", url="https://a.example")["status"] == 200)

    assert bot.call("getWebhookInfo")["result"]["max_connections"] == 40


def test_pending_setwebhook_is_superseded() -> None:
    """While a webhook is being closed, a second deleteWebhook ends the first with its own 409."""
    with BotApiServer(timing=Timing(second=0.02, webhook_change=5)) as api, ExitStack() as stack:
        one, two, poller = (stack.enter_context(closing(Client(api))) for _ in range(3))
        assert one.call("setWebhook", url="https://a.example")["result"] is True
        one.send("deleteWebhook")
        two.send("deleteWebhook")

        assert failure(one.read()) == (409, "Conflict: terminated by other setWebhook")
        assert poller.call("getUpdates")["description"] == WEBHOOK_CONFLICT
        assert two.read()["description"] == "Webhook was deleted"


def test_close_answers_the_parked_poll_with_nothing(fast: BotApiServer, client: Connect) -> None:
    """200 and an empty list, no error; updates stay, and closing twice is an error."""
    parked = client().send("getUpdates", timeout=50)
    bot = client()
    assert bot.call("close")["result"] is True

    assert parked.read() | {"headers": None} == {"status": 200, "ok": True, "result": [], "headers": None}
    assert failure(bot.call("close")) == (400, "Bad Request: the bot has already been closed")
    assert bot.call("getMe")["ok"] is True


def test_logout(fast: BotApiServer, client: Connect) -> None:
    """200 [] for the parked poll, 400 for everything after it, and no update survives."""
    parked = client().send("getUpdates", timeout=50)
    assert client().call("logOut")["result"] is True

    assert parked.read()["result"] == []
    fast.send_text("lost")
    assert failure(client().call("getUpdates")) == (400, "Logged out")


def test_revoked_token(fast: BotApiServer, client: Connect) -> None:
    """401 Unauthorized from the moment of revocation until the bot is added again."""
    parked = client().send("getUpdates", timeout=50)
    fast.revoke()

    assert parked.read()["result"] == []
    assert failure(client().call("getMe")) == (401, "Unauthorized")
    fast.add_bot(fast.token)
    assert client().call("getMe")["ok"] is True


@pytest.mark.parametrize(
    ("token", "error"),
    [
        ("123456:short", (401, "Unauthorized")),
        ("123456:" + "é" * 30, (401, "Unauthorized")),
        ("0123:" + "A" * 35, (401, "Unauthorized: invalid token specified")),
        ("123456", (401, "Unauthorized: invalid token specified")),
        ("-5:" + "A" * 35, (401, "Unauthorized: invalid token specified")),
        ("1:" + "A" * 79, (401, "Unauthorized: invalid token specified")),
        ("bot:" + "A" * 35, (421, "Misdirected Request: unallowed token specified")),
    ],
)
def test_malformed_token(fast: BotApiServer, client: Connect, token: str, error: tuple[int, str]) -> None:
    """The official server's answers to what cannot be a token."""
    quoted = token.replace("é", "%C3%A9")

    assert failure(client(quoted).call("getMe")) == error
    with pytest.raises(MethodError, match=error[1]):
        fast.add_bot(token)


def test_unknown_method_and_path(fast: BotApiServer, client: Connect) -> None:
    """404 with the official descriptions."""
    assert failure(client().call("getNonsense")) == (404, "Not Found: method not found")
    connection = http.client.HTTPConnection(urlsplit(fast.url).netloc)
    with closing(connection):
        connection.request("GET", "/elsewhere")
        assert json.loads(connection.getresponse().read())["description"] == "Not Found"


def test_tokens_of_one_bot_share_its_updates(fast: BotApiServer, client: Connect) -> None:
    """After a revocation the new token finds what the old one left."""
    new_token = "123456:" + "B" * 35
    update_id = fast.send_text("hello")
    fast.revoke()

    assert [update["update_id"] for update in client(new_token).call("getUpdates")["result"]] == [update_id]


def test_ordered_faults(fast: BotApiServer, client: Connect) -> None:
    """429 with its header and parameter, 500, and a front end's HTML page, each as often as ordered."""
    fast.fail_next("GETUPDATES", retry_after=7)
    fast.fail_next("getUpdates", 500, "Internal Server Error: restart", times=2)
    bot = client()
    answer = bot.call("getUpdates")

    assert failure(answer) == (429, "Too Many Requests: retry after 7")
    assert (answer["parameters"], answer["headers"]["Retry-After"]) == ({"retry_after": 7}, "7")
    assert bot.call("getMe")["ok"] is True
    for _ in range(2):
        assert failure(bot.call("getUpdates")) == (500, "Internal Server Error: restart")
    assert bot.call("getUpdates")["ok"] is True
    fast.fail_next("getMe", 502, raw=b"<html>Bad Gateway</html>")
    bot.send("getMe")
    response = bot.connection.getresponse()
    assert (response.status, response.getheader("content-type")) == (502, "text/html")
    assert response.read() == b"<html>Bad Gateway</html>"


def test_aborted_connection(fast: BotApiServer, client: Connect) -> None:
    """The connection ends without an answer, and the call had no effect."""
    fast.fail_next("sendMessage", abort=True)
    bot = client().send("sendMessage", chat_id=1, text="lost")

    with pytest.raises(http.client.RemoteDisconnected):
        bot.read()
    assert fast.sent == []


def test_lost_answer(fast: BotApiServer, client: Connect) -> None:
    """`executed`: the message was sent, only nobody hears of it."""
    fast.fail_next("sendMessage", abort=True, executed=True)
    bot = client().send("sendMessage", chat_id=1, text="sent")

    with pytest.raises(http.client.RemoteDisconnected):
        bot.read()
    assert [sent.text for sent in fast.sent] == ["sent"]


def test_trickling_answer(fast: BotApiServer, client: Connect) -> None:
    """A slow-loris server: bytes keep coming, the answer never does, until the client has had enough."""
    fast.fail_next("getMe", trickle=True)
    bot = client().send("getMe")
    response = bot.connection.getresponse()

    assert [response.read(1) for _ in range(5)] == [b" "] * 5
    response.close()
    bot.close()
    fast.wait_for(lambda: fast.requests[0].gone)


def test_hanging_call(fast: BotApiServer, client: Connect) -> None:
    """Nothing comes at all: only the client's own timeout ends it."""
    fast.fail_next("getMe", hang=True)
    bot = client()
    bot.connection.timeout = 0.05
    bot.send("getMe")

    with pytest.raises(TimeoutError):
        bot.connection.getresponse()


def test_down_and_up_again(fast: BotApiServer, client: Connect) -> None:
    """Down: open connections are reset and new ones refused. Up: the same port, the same updates."""
    parked = client().send("getUpdates", timeout=50)
    fast.down()
    with pytest.raises(ConnectionResetError):
        parked.read()
    with pytest.raises(ConnectionRefusedError):
        client().connection.connect()

    update_id = fast.send_text("meanwhile")
    fast.up()

    assert client().call("getUpdates")["result"][0]["update_id"] == update_id


def raw(api: BotApiServer, *pieces: bytes) -> bytes:
    """Send these pieces over a bare socket, each as a segment of its own, and read the answer."""
    with socket.create_connection(("127.0.0.1", int(urlsplit(api.url).port or 0))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


MULTIPART = (
    b'--xyz\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n7\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="text"\r\nContent-Type: text/plain\r\n\r\n'
    + "привет & 100%".encode()
    + b"\r\n--xyz--\r\n"
)
TEXT = b"chat_id=7&text=" + urlencode({"": "привет & 100%"})[1:].encode()


JSON = json.dumps({"chat_id": 7, "text": "привет & 100%"}).encode()
BODIES = {
    "urlencoded": (b"application/x-www-form-urlencoded", TEXT),
    "json": (b"application/json", JSON),
    "multipart": (b"multipart/form-data; boundary=xyz", MULTIPART),
    "quoted boundary": (b'multipart/form-data; boundary="xyz"', MULTIPART),
}


def chunks(body: bytes) -> bytes:
    """The body as two chunks, with the extension that nobody uses."""
    half = len(body) // 2
    pieces = (body[:half], body[half:], b"")
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("method", ["sendMessage", "sendmessage", "SENDMESSAGE"])
def test_every_kind_of_body(bot_api: BotApiServer, kind: str, chunked: bool, method: str) -> None:
    """Parameters arrive from each kind of body, whole or chunked, in pieces; the method in any case."""
    content_type, body = BODIES[kind]
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = f"POST /bot{bot_api.token}/{method} HTTP/1.1\r\nConnection: close\r\n".encode()
    head += b"Content-Type: %s\r\n%s\r\n\r\n" % (content_type, length)
    sent = chunks(body) if chunked else body
    answer = raw(bot_api, head[:20], head[20:] + sent[:5], sent[5:])

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    [message] = bot_api.sent
    assert (message.chat_id, message.text, message.method) == ("7", "привет & 100%", "sendMessage")


def test_get_with_a_query(bot_api: BotApiServer) -> None:
    """GET and parameters in the address work as well."""
    head = f"GET /bot{bot_api.token}/sendMessage?{TEXT.decode()} HTTP/1.1\r\nConnection: close\r\n\r\n"

    assert raw(bot_api, head.encode()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [message.text for message in bot_api.sent] == ["привет & 100%"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /bot123456:" + b"A" * 35 + b"/getMe HTTP/1.1\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
    ],
)
def test_malformed_request(bot_api: BotApiServer, request_bytes: bytes) -> None:
    """What is no HTTP, or no JSON, gets a 400; the server lives on."""
    assert raw(bot_api, request_bytes).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    with closing(Client(bot_api)) as client:
        assert client.call("getMe")["ok"] is True


def test_document_both_ways(bot_api: BotApiServer) -> None:
    """A user's file can be fetched and downloaded byte for byte; a bot's file is kept with its caption."""
    data = bytes(range(256)) + b"\r\n--xyz\r\n"
    bot_api.send_document("log.txt", data, caption="look")

    async def run() -> None:
        async with telegram.Bot(
            bot_api.token, base_url=f"{bot_api.url}/bot", base_file_url=f"{bot_api.url}/file/bot"
        ) as bot:
            [update] = await bot.get_updates()
            assert update.message is not None
            assert update.message.document is not None
            assert update.message.caption == "look"
            file = await update.message.document.get_file()
            assert bytes(await file.download_as_bytearray()) == data
            await bot.send_document(42, data, caption="back", filename="b.bin")

    asyncio.run(run())
    [sent] = bot_api.sent
    assert (sent.document, sent.text, sent.files["document"].name) == (data, "back", "b.bin")


@pytest.mark.parametrize(
    ("method", "params", "description"),
    [
        ("sendMessage", {"text": "x"}, "Bad Request: chat_id is empty"),
        ("sendMessage", {"chat_id": 1}, "Bad Request: message text is empty"),
        ("sendMessage", {"chat_id": 1, "text": "x" * 4097}, "Bad Request: message is too long"),
        ("sendDocument", {"chat_id": 1}, "Bad Request: there is no document in the request"),
        ("getFile", {"file_id": "none"}, "Bad Request: invalid file_id"),
    ],
)
def test_bad_parameters(client: Connect, method: str, params: dict[str, Any], description: str) -> None:
    """The errors that a sender must be able to meet."""
    assert failure(client().call(method, **params)) == (400, description)


def test_own_method(fast: BotApiServer, client: Connect) -> None:
    """A test may add a method, and override one."""
    fast.methods["getChat"] = lambda call: {"id": call.number("chat_id"), "type": "private"}

    assert client().call("getchat", chat_id=5)["result"] == {"id": 5, "type": "private"}


def test_wait_for_wakes_on_the_event_and_explains_its_timeout(fast: BotApiServer, client: Connect) -> None:
    """A waiter learns of a message from another thread; in vain, it names the last calls."""
    waiter = threading.Thread(target=lambda: client().call("sendMessage", chat_id=1, text="ping"))
    waiter.start()

    assert fast.wait_for(lambda: [sent.text for sent in fast.sent]) == ["ping"]
    waiter.join()
    with pytest.raises(TimeoutError, match=r"the last calls: .*sendMessage"):
        fast.wait_for(lambda: False, timeout=0.01)


def test_not_started_server_says_so() -> None:
    """Before its `with` block a server cannot be used."""
    server = BotApiServer()
    with pytest.raises(RuntimeError, match="use it in a `with` block"):
        server.send_text("hello")
    server.close()


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_nothing_is_left_behind() -> None:
    """After the block there is no thread, no open file and no listener."""
    threads, files = threading.active_count(), open_files()
    with BotApiServer() as api, closing(Client(api)) as client:
        client.send("getUpdates", timeout=50)
        url = urlsplit(api.url)

    assert (threading.active_count(), open_files()) == (threads, files)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.port or 0)))


# Foreign clients


async def test_python_telegram_bot_polls_and_conflicts(fast: BotApiServer) -> None:
    """PTB receives an update, and raises its own Conflict, with the exact text, when a rival parks."""
    errors: asyncio.Queue[telegram.error.TelegramError] = asyncio.Queue()
    application = Application.builder().token(fast.token).base_url(f"{fast.url}/bot").build()

    async with application:
        assert application.updater is not None
        await application.updater.start_polling(error_callback=errors.put_nowait)
        await fast.wait_for_async(lambda: fast.polls)
        fast.send_text("hello")
        update = await asyncio.wait_for(application.update_queue.get(), 20)
        assert isinstance(update, telegram.Update)
        assert update.message is not None
        await fast.wait_for_async(lambda: len(fast.polls) > 1)
        with closing(Client(fast)) as rival:
            await asyncio.to_thread(rival.send, "getUpdates", timeout=50)
            error = await asyncio.wait_for(errors.get(), 20)
        await application.updater.stop()

    assert update.message.text == "hello"
    assert isinstance(error, telegram.error.Conflict)
    assert error.message == GET_UPDATES_CONFLICT
    assert len(fast.acknowledged) == 1


async def test_python_telegram_bot_learns_of_a_revoked_token(fast: BotApiServer) -> None:
    """PTB reads the 401 as InvalidToken, at the first call."""
    fast.revoke()
    bot = telegram.Bot(fast.token, base_url=f"{fast.url}/bot")

    with pytest.raises(telegram.error.InvalidToken):
        await bot.initialize()
    await bot.shutdown()


async def test_poison_update_stops_python_telegram_bot(fast: BotApiServer) -> None:
    """An update that PTB cannot read is asked for again and again: the offset never moves."""
    poison = fast.push({"message": {"date": "never"}})
    logging.getLogger("telegram.Bot").setLevel(logging.CRITICAL + 1)
    bot = telegram.Bot(fast.token, base_url=f"{fast.url}/bot")
    async with bot:
        for _ in range(2):
            with pytest.raises(TypeError):
                await bot.get_updates()

    assert [poll.updates for poll in fast.polls] == [(poison,), (poison,)]
    assert fast.acknowledged == []


async def test_aiogram_polls_and_conflicts(fast: BotApiServer) -> None:
    """Aiogram receives an update over its multipart bodies, and its own TelegramConflictError."""
    from aiogram import Bot as AiogramBot  # 4 s: not for every worker that collects this file
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.exceptions import TelegramConflictError

    session = AiohttpSession(api=TelegramAPIServer.from_base(fast.url))
    async with AiogramBot(fast.token, session=session) as bot:
        update_id = fast.send_text("hello")
        [update] = await bot.get_updates(timeout=10)
        assert (await bot.get_me()).is_bot
        await bot.send_message(7, "hi")
        poll = asyncio.create_task(bot.get_updates(offset=update_id + 1, timeout=50))
        await fast.wait_for_async(lambda: len(fast.polls) > 1)
        with closing(Client(fast)) as rival:
            await asyncio.to_thread(rival.send, "getUpdates", timeout=50)
            with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request"):
                await poll

    assert update.message is not None
    assert update.message.text == "hello"
    assert [sent.text for sent in fast.sent] == ["hi"]


def test_telebot_polls_and_conflicts(fast: BotApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTelegramBotAPI receives an update and raises its own ApiTelegramException 409."""
    monkeypatch.setattr(telebot.apihelper, "API_URL", fast.url + "/bot{0}/{1}")
    bot = telebot.TeleBot(fast.token, threaded=False)
    update_id = fast.send_text("hello")
    [update] = bot.get_updates(timeout=1)
    failures: list[telebot.apihelper.ApiTelegramException] = []

    def poll() -> None:
        try:
            bot.get_updates(offset=update_id + 1, timeout=50, long_polling_timeout=50)
        except telebot.apihelper.ApiTelegramException as error:
            failures.append(error)

    thread = threading.Thread(target=poll)
    thread.start()
    fast.wait_for(lambda: len(fast.polls) > 1)
    with closing(Client(fast)) as rival:
        rival.send("getUpdates", timeout=50)
        thread.join()
    telebot.apihelper._get_req_session(reset=True).close()

    assert update.message is not None
    assert update.message.text == "hello"
    assert [(error.error_code, error.description) for error in failures] == [CONFLICT]
