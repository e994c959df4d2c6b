"""The Sentry double takes what the real SDK sends, and fails on order."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import sentry_sdk

from logrules.testing import SentryReceiver
from logrules.testing.sentry_receiver import KEY, parse_envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EVENT_ID = "a" * 32
PATH = "/api/1/envelope/"


@pytest.fixture
def sdk(sentry: SentryReceiver) -> Iterator[sentry_sdk.Client]:
    """The real client, private, with nothing switched on by itself."""
    client = sentry_sdk.Client(sentry.dsn, default_integrations=False, auto_enabling_integrations=False)
    yield client
    client.close(timeout=5)


def envelope(event_id: str = EVENT_ID, **event: Any) -> bytes:
    payload = json.dumps({"event_id": event_id, **event}).encode()
    head = json.dumps({"event_id": event_id}).encode()
    return b'%s\n{"type":"event","length":%d}\n%s\n' % (head, len(payload), payload)


def connect(sentry: SentryReceiver, timeout: float = 20) -> http.client.HTTPConnection:
    url = urlsplit(sentry.dsn)
    return http.client.HTTPConnection(str(url.hostname), url.port, timeout=timeout)


def post(
    sentry: SentryReceiver,
    body: bytes,
    *,
    path: str = PATH,
    key: str = KEY,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    auth = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={key}, sentry_client=test/1"}
    with closing(connect(sentry)) as connection:
        connection.request("POST", path, body, {**auth, **(headers or {})})
        response = connection.getresponse()
        return response.status, dict(response.headers), json.loads(response.read())


def test_event_of_the_real_sdk(sentry: SentryReceiver, sdk: sentry_sdk.Client) -> None:
    """What the SDK captures, gzipped on the wire, is there to be read, with its tags and fingerprint."""
    event_id = sdk.capture_event({"level": "fatal", "tags": {"code": "X"}, "fingerprint": ["a"]})

    [event] = sentry.wait_for(1)

    assert (event["event_id"], event["level"], event["fingerprint"]) == (event_id, "fatal", ["a"])
    assert event["tags"] == {"code": "X"}
    assert [attempt.event_ids for attempt in sentry.attempts] == [(event_id,)]


def test_check_in_of_the_real_sdk(sentry: SentryReceiver, sdk: sentry_sdk.Client) -> None:
    """A cron monitor's heartbeat is kept apart from events."""
    sdk.capture_event({"type": "check_in", "monitor_slug": "bot", "status": "ok", "check_in_id": EVENT_ID})

    [check_in] = sentry.wait_for(lambda: sentry.check_ins)

    assert (check_in["monitor_slug"], check_in["status"]) == ("bot", "ok")
    assert sentry.events == {}


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_encodings(sentry: SentryReceiver, encoding: str) -> None:
    """Plain, gzip and deflate bodies are read; the answer bears the event's id, as Sentry's does."""
    plain = envelope(message="привет")
    sent = {"identity": plain, "gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}[encoding]
    status, _, body = post(sentry, sent, headers={"Content-Encoding": encoding})

    assert (status, body) == (200, {"id": EVENT_ID})
    assert sentry.events[EVENT_ID]["message"] == "привет"


def test_envelope_with_every_form_of_item() -> None:
    """An item ends after its length, newlines in it or not, or at the newline where it names none."""
    body = (
        b'{}\n{"type":"event"}\n{"event_id":"1"}\n'
        b'{"type":"attachment","length":5}\na\nb\nc\n'
        b'{"type":"empty","length":0}\n\n'
        b'{"type":"client_report"}\n{"discarded_events":[]}'
    )

    items = parse_envelope(body)

    assert [(item.type, item.payload) for item in items] == [
        ("event", b'{"event_id":"1"}'),
        ("attachment", b"a\nb\nc"),
        ("empty", b""),
        ("client_report", b'{"discarded_events":[]}'),
    ]
    assert [item.content for item in items[:2]] == [{"event_id": "1"}, None]


def test_repeats_are_counted_once(sentry: SentryReceiver) -> None:
    """The same event_id twice is one event, received twice, and the first one counts."""
    post(sentry, envelope(message="first"))
    post(sentry, envelope(message="again"))
    post(sentry, envelope("b" * 32))

    assert sentry.received == {EVENT_ID: 2, "b" * 32: 1}
    assert [event.get("message") for event in sentry.events.values()] == ["first", None]


@pytest.mark.parametrize(
    ("body", "path", "key", "status"),
    [
        pytest.param(envelope(), PATH, "f" * 32, 403, id="another key"),
        pytest.param(envelope(), "/api/2/envelope/", KEY, 403, id="another project"),
        pytest.param(envelope(), "/api/1/store/", KEY, 404, id="the old endpoint"),
        pytest.param(b"", PATH, KEY, 400, id="empty"),
        pytest.param(b"nonsense", PATH, KEY, 400, id="no JSON"),
        pytest.param(b'{}\n{"type":"event","length":99}\n{}', PATH, KEY, 400, id="too short"),
        pytest.param(b'{}\n{"type":"event"}\n{"message":"x"}', PATH, KEY, 400, id="no event_id"),
        pytest.param(b'{}\n{"length":2}\n{}', PATH, KEY, 400, id="no type"),
        pytest.param(b"[]\n", PATH, KEY, 400, id="header is a list"),
    ],
)
def test_refused_requests(sentry: SentryReceiver, body: bytes, path: str, key: str, status: int) -> None:
    """What Sentry would refuse is refused, recorded as an attempt, and not kept."""
    assert post(sentry, body, path=path, key=key)[0] == status
    assert [attempt.status for attempt in sentry.attempts] == [status]
    assert sentry.items == []


def test_rate_limit_for_one_request(sentry: SentryReceiver) -> None:
    """A 429 with its headers, once; the next request is taken."""
    sentry.status(429, {"Retry-After": "7", "X-Sentry-Rate-Limits": "7:error:organization"}, times=1)
    status, headers, _ = post(sentry, envelope())

    assert status == 429
    assert (headers["Retry-After"], headers["X-Sentry-Rate-Limits"]) == ("7", "7:error:organization")
    assert sentry.events == {}
    assert post(sentry, envelope())[0] == 200
    assert [attempt.status for attempt in sentry.attempts] == [429, 200]


def test_outage_until_ok(sentry: SentryReceiver) -> None:
    """503 for every request until all is well again."""
    sentry.status(503)
    assert [post(sentry, envelope())[0] for _ in range(3)] == [503, 503, 503]
    sentry.ok()

    assert post(sentry, envelope())[0] == 200
    assert sentry.received[EVENT_ID] == 1


def test_reset(sentry: SentryReceiver) -> None:
    """The connection is reset, and the event is not kept."""
    sentry.reset(times=2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            post(sentry, envelope())

    assert sentry.events == {}
    assert post(sentry, envelope())[0] == 200
    assert [attempt.status for attempt in sentry.attempts] == [None, None, 200]


def test_lost_acknowledgement(sentry: SentryReceiver) -> None:
    """The event is kept although the client sees a reset: its second attempt makes a repeat."""
    sentry.ack_lost(times=1)
    with pytest.raises(ConnectionResetError):
        post(sentry, envelope())
    post(sentry, envelope())

    assert sentry.received == {EVENT_ID: 2}


def test_down(sentry: SentryReceiver) -> None:
    """Nobody listens; then, on the same port, somebody does."""
    dsn = sentry.dsn
    sentry.down()
    with pytest.raises(ConnectionRefusedError):
        post(sentry, envelope())
    sentry.ok()

    assert post(sentry, envelope())[0] == 200
    assert sentry.dsn == dsn


def test_slow(sentry: SentryReceiver) -> None:
    """A slow receiver keeps the event at once and says so later: a client that gives up was heard."""
    sentry.slow(3600, times=1)
    with closing(connect(sentry, timeout=0.05)) as connection:
        connection.request("POST", f"{PATH}?sentry_key={KEY}", envelope())
        assert sentry.wait_for(1)
        with pytest.raises(TimeoutError):
            connection.getresponse()
    sentry.slow(0.01)

    assert post(sentry, envelope("b" * 32))[0] == 200


SECRETS = ('pa/ss"wörd', "123456:" + "A" * 35, "back\\slash", "line\nbreak")


@pytest.mark.parametrize("text", SECRETS)
def test_holds_finds_a_secret_wherever_it_went(sentry: SentryReceiver, text: str) -> None:
    """In a gzipped JSON body, in a header, in a refused request; and nothing that was not sent."""
    assert not sentry.holds(text)
    post(sentry, gzip.compress(envelope(message=f"<{text}>")), headers={"Content-Encoding": "gzip"})
    assert sentry.holds(text)


def test_holds_looks_everywhere(sentry: SentryReceiver) -> None:
    """In headers, addresses and refused requests too; and it does not find what was not sent."""
    post(sentry, envelope(message="first"), key="f" * 32)
    post(sentry, envelope(), headers={"User-Agent": "second"})
    post(sentry, envelope(), path="/elsewhere?token=third")

    found = {word for word in ("first", "second", "third", "fourth") if sentry.holds(word)}
    assert found == {"first", "second", "third"}


def test_holds_ignores_the_header_that_must_carry_the_key(sentry: SentryReceiver) -> None:
    """The DSN's key in X-Sentry-Auth is no leak; in an event it is."""
    post(sentry, envelope(message="clean"))
    assert not sentry.holds(KEY)
    post(sentry, envelope(message=f"http://{KEY}@example/1"))

    assert sentry.holds(KEY)


def test_wait_for_wakes_on_the_event_and_explains_its_timeout(sentry: SentryReceiver) -> None:
    """A waiter learns of events from another thread; in vain, it names the last attempts."""
    sender = threading.Thread(target=lambda: [post(sentry, envelope(str(n) * 32)) for n in range(3)])
    sender.start()

    assert len(sentry.wait_for(3)) == 3
    sender.join()
    with pytest.raises(TimeoutError, match=r"3 events; the last attempts: .*status=200"):
        sentry.wait_for(4, timeout=0.01)
