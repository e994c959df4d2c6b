"""Which output is a sign of life, for whom, and for how long."""

from __future__ import annotations

import pytest

from logrules.core.model import EVENTS, Chunk, Origin
from logrules.sidecar.heartbeat import Pulse
from logrules.sidecar.options import Beat, Heartbeat

HTTPX = (
    b"2026-01-15 08:29:41,511 - httpx - INFO - HTTP Request: POST "
    b'https://api.telegram.org/bot123456:AAA/getUpdates "HTTP/1.1 200 OK"\n'
)
URLLIB3 = (
    b"DEBUG:urllib3.connectionpool:https://api.telegram.org:443 "
    b'"GET /bot123456:AAA/getUpdates?offset=1&timeout=20 HTTP/1.1" 200 23\n'
)


class Bot:
    """A command's output, under a clock of ours."""

    def __init__(self, by, minutes=1):
        self.now = 1000.0
        self.pulse = Pulse(Heartbeat(by, minutes), clock=lambda: self.now)

    def prints(self, data, stream="stdout"):
        self.pulse.feed(Chunk(Origin("bot", "1", stream), data, 0.0))
        return self.pulse.beats()


def test_output_is_a_sign_of_life_for_so_many_minutes():
    """Before it has printed anything a command is not known to live, and later for as long as was said."""
    bot = Bot(Beat.OUTPUT, minutes=15)
    assert not bot.pulse.beats()
    assert not bot.prints(b"")

    assert bot.prints(b"x")
    bot.now += 15 * 60
    assert bot.pulse.beats()
    bot.now += 1
    assert not bot.pulse.beats()
    assert bot.prints(b"x", "stderr")


@pytest.mark.parametrize("line", [HTTPX, URLLIB3])
def test_only_an_answered_poll_proves_polling(line):
    """Whatever else is printed, and a poll that was refused, proves nothing."""
    bot = Bot(Beat.POLLING)

    assert not bot.prints(b"all is well\n" * 100)
    assert not bot.prints(line.replace(b"200", b"409"))
    assert not bot.prints(line.replace(b"getUpdates", b"sendMessage"))
    assert bot.prints(line)
    bot.now += 91
    assert not bot.pulse.beats()


def test_a_line_that_is_cut_anywhere_is_found():
    """Bytes come as they come; two streams are not mixed."""
    for at in range(1, len(HTTPX) - 8):
        bot = Bot(Beat.POLLING)
        assert not bot.prints(b"hello\n" + HTTPX[:at]) or at > HTTPX.index(b" 200") + 3
        bot.prints(b"between\n", "stderr")
        assert bot.prints(HTTPX[at:]), at


def test_a_guarded_bot_speaks_for_itself():
    """It knows better whether it polls: once it has spoken to us its output says nothing more."""
    bot = Bot(Beat.OUTPUT)

    assert bot.prints(b"x")
    assert not bot.prints(b'{"v": 1}\n', EVENTS)
    assert not bot.prints(b"x")
