"""Our own Bot API calls against a faithful server: results, every kind of failure, and no token in any."""

import logging
import socket
import traceback

import pytest

from logrules.botapi import BotApi, BotApiError, InputFile, probe
from logrules.settings import read
from logrules.testing import BotApiServer

TIMEOUT = 10.0


@pytest.fixture(scope="module")
def server():
    with BotApiServer() as server:
        yield server


@pytest.fixture
def api(server):
    api = BotApi(server.token, base_url=server.url, timeout=TIMEOUT)
    yield api
    api.close()


def failure(api, method="getMe", **params):
    """The error of a call; checks that neither it nor its whole traceback has the token in it."""
    with pytest.raises(BotApiError) as caught:
        api.call(method, **params)
    error = caught.value
    assert error.__context__ is None
    assert "AAAA" not in "".join(traceback.format_exception(error))
    assert "AAAA" not in repr(vars(error))
    return error


def test_the_calls_we_make(server, api):
    """getMe, a message in every alphabet, and the webhook's whole life."""
    assert api.call("getMe")["id"] == 123456
    api.call("sendMessage", chat_id=1001, text="удалён 🎉 \udcff", parse_mode=None)
    assert server.sent[-1].text == "удалён 🎉 ?"
    server.set_webhook("https://example.org/hook")
    assert api.call("getWebhookInfo")["url"] == "https://example.org/hook"
    assert api.call("deleteWebhook", drop_pending_updates=False) is True
    assert api.call("getWebhookInfo")["url"] == ""


def test_a_file_is_uploaded(server, api):
    """A document goes up with its name and its bytes, any bytes."""
    data = bytes(range(256))
    sent = api.call("sendDocument", chat_id=1001, caption="журнал", document=InputFile("бот.log", data))

    assert sent["caption"] == "журнал"
    assert sent["document"]["file_name"] == "бот.log"
    assert sent["document"]["file_size"] == len(data)


def test_what_the_server_refuses(server, api):
    """The server's code and words arrive, and how long it wants us to wait."""
    server.fail_next("sendMessage", 400, "Bad Request: chat not found")
    error = failure(api, "sendMessage", chat_id=5, text="x")
    assert (error.code, error.description) == (400, "Bad Request: chat not found")
    assert str(error) == "400 Bad Request: chat not found"

    server.fail_next("sendMessage", retry_after=7)
    error = failure(api, "sendMessage", chat_id=5, text="x")
    assert (error.code, error.retry_after) == (429, 7)


def test_a_token_in_the_servers_words(server, api):
    """Should the server quote the token, we do not."""
    server.fail_next("getMe", 400, f"Bad Request: {server.token}")

    assert failure(api).description == "Bad Request: 123456:***"


@pytest.mark.parametrize(
    ("raw", "description"),
    [
        (
            b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "502 Bad Gateway nginx",
        ),
        (b"", "nothing"),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe{", "\ufffd\ufffd{"),
        (b"/bot123456:" + b"A" * 35 + b"/getMe", "/bot123456:***/getMe"),
        (b"x" * 5000, "x" * 120),
    ],
)
def test_an_answer_that_is_not_the_bot_apis(server, api, raw, description):
    """A front end's page is told by its status and its words."""
    server.fail_next("getMe", 502, raw=raw)
    error = failure(api)

    assert error.code == 502
    assert error.description == f"the answer is not the Bot API's: {description}"


def test_an_endless_answer(server, api):
    """More bytes than any answer of ours has are not read to their end."""
    server.fail_next("getMe", 200, raw=b"x" * (2 << 20))

    assert "too long" in failure(api).description


def test_a_redirect_is_not_followed(server, api):
    """Whoever redirects us does not get the token from us: it is an error."""
    server.fail_next("getMe", 302, raw=b"moved")

    assert failure(api).code == 302


def test_nobody_answers(server, api):
    """A connection that breaks is code 0 and no second attempt."""
    before = len(server.requests)
    server.fail_next("getMe", abort=True)

    assert failure(api).code == 0
    assert len(server.requests) == before + 1


@pytest.mark.parametrize("fault", [{"hang": True}, {"trickle": True}])
def test_an_answer_that_does_not_come_in_time(fault):
    """The timeout is for the whole call: silence and an answer that drips for ever both end."""
    with BotApiServer() as server:
        api = BotApi(server.token, base_url=server.url, timeout=1.5)
        server.fail_next("getMe", **fault)
        error = failure(api)
        api.close()

    assert (error.code, error.description) == (0, "no answer from the Bot API within 1.5 s")


def test_nobody_listens(server):
    """A refused connection and a name without a host are told without the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for base in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}", "http://no-such-host.invalid"):
        error = failure(BotApi(server.token, base_url=base, timeout=TIMEOUT))
        assert error.code == 0
        assert "cannot be reached" in error.description


def test_the_debug_log_has_no_token(server, api, caplog):
    """urllib3 logs every address at level DEBUG; in it the token is hidden."""
    with caplog.at_level(logging.DEBUG):
        api.call("getMe")

    assert "/bot123456:***/getMe" in caplog.text
    assert "AAAA" not in caplog.text


def test_probe():
    """A probe tells true from false, and says nothing where the server does not."""
    with BotApiServer() as server:
        settings = read({"BOT_TOKEN": server.token, "LOGRULES_BOT_API": server.url})

        def ask(what):
            return probe(what, settings, timeout=TIMEOUT)

        assert (ask("token"), ask("webhook")) == (False, False)
        server.set_webhook("https://example.org/hook")
        assert (ask("token"), ask("webhook")) == (False, True)
        server.fail_next(status=502, raw=b"<html>", times=2)
        assert (ask("token"), ask("webhook")) == (None, None)
        server.revoke()
        assert (ask("token"), ask("webhook")) == (True, None)
        assert probe("token", read({}), timeout=TIMEOUT) is None
