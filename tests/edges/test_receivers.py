"""Receivers of the user's own: found by name, kept to the same promise as ours."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from logrules.alerts import open_alerts
from logrules.core.alerting import delivery
from logrules.core.alerting.incidents import decide
from logrules.core.match import Match
from logrules.core.model import LogrulesError
from logrules.core.redact import Redactor
from logrules.receivers import load
from logrules.rules import rules
from logrules.settings import Settings
from logrules.sinks.webhook import signature
from logrules.stores.sqlite import outbox
from logrules.testing import BotApiServer, WebhookReceiver
from logrules.testing.receiver import Receiver

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "alerts.md"


def make_match(**changes):
    spec = rules.specs["CONFLICT_409"]
    fields = {"fatal": True, "level": spec.severity, "message": "409", "service": "bot", "proved": True}
    return Match(code=spec.code, **{**fields, "instance": "a", "time": 1.0, **changes})


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into the working directory, which nobody else finds later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def opened(tmp_path):
    """Open alerts as a process would; all are closed at the end."""
    everything = []

    def open_(*named, **more):
        settings = Settings(
            service="bot",
            instance="a",
            lang="en",
            state_file=str(tmp_path / "x.db"),
            alert_receivers=named,
            **more,
        )
        alerts = open_alerts(settings, Redactor())
        everything.append(alerts)
        return alerts

    yield open_
    for alerts in everything:
        alerts.close()


def test_function_is_given_alerts(module, opened):
    """A function that a setting names gets each alert, and what it returns settles it."""
    module(
        "ours",
        """
        from logrules.receivers import DELIVERED
        told = []
        def tell(alert):
            told.append(alert)
            return DELIVERED
    """,
    )
    alerts = opened("ours:tell", runbooks="https://wiki.example/{lang}/{code}")
    alerts.send(make_match(message="m"))

    assert alerts.configured
    assert alerts.flush(20) == []
    (alert,) = sys.modules["ours"].told
    assert (alert.code, alert.message) == ("CONFLICT_409", "m")
    assert alert.runbook == "https://wiki.example/en/CONFLICT_409"


def test_attributes_are_followed(module):
    """What is named may be a method of something in the module."""
    module(
        "deep",
        """
        class Pager:
            def page(self, alert):
                from logrules.receivers import rejected
                return rejected(alert.message)
        pager = Pager()
    """,
    )

    spec = rules.specs["CONFLICT_409"]
    alert = decide(None, make_match(message="no"), spec, 1.0).alert
    assert alert is not None
    assert load("deep:pager.page")(alert).why == "no"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return None", "NoneType"),
        ("return True", "bool"),
        ("raise RuntimeError('secret')", "RuntimeError"),
        ("1 / 0", "ZeroDivisionError while sending (bad.py, line 2)"),
        ("raise SystemExit('secret')", "exit"),
    ],
)
def test_fault_of_a_receiver_loses_nothing(module, opened, body, why):
    """One that raises or returns nonsense keeps its alert; people hear what, without what it said."""
    module("bad", f"def tell(alert):\n    {body}\n")
    heard = []
    alerts = opened("bad:tell")
    alerts.listen(lambda _, text: heard.append(text))
    alerts.send(make_match())
    for _ in range(20):  # a wait, and the attempts of a dying process, until it is one too many
        (left,) = alerts.flush(1)
        if heard:
            break

    assert left.code == "CONFLICT_409"
    assert why in heard[0]
    assert "secret" not in heard[0]


def test_receiver_that_never_comes_back_is_said(module, opened, monkeypatch):
    """One that hangs keeps its own alerts only: another one has them meanwhile, and people hear of it."""
    monkeypatch.setattr("logrules.alerts.OVERDUE", 0.1)
    module(
        "two",
        """
        import threading
        from logrules.receivers import DELIVERED
        told, release = [], threading.Event()
        def hangs(alert):
            release.wait()
            return DELIVERED
        def works(alert):
            told.append(alert)
            return DELIVERED
    """,
    )
    heard, is_heard = [], threading.Event()

    def hear(_, text):
        heard.append(text)
        is_heard.set()

    alerts = opened("two:hangs", "two:works")
    alerts.listen(hear)
    alerts.send(make_match())
    try:
        assert is_heard.wait(20)
        assert [alert.code for alert in alerts.flush(0.1)] == ["CONFLICT_409"]
    finally:
        sys.modules["two"].release.set()

    assert "two:hangs" in heard[0]
    assert len(sys.modules["two"].told) == 1
    assert alerts.flush(20) == []


@pytest.mark.parametrize(
    ("named", "text", "why"),
    [
        ("nowhere:tell", "", "ModuleNotFoundError"),
        ("ours:nothing", "", "AttributeError"),
        ("ours:number", "number = 7", "no function"),
        ("ours:tell", "raise SystemExit(3)", "SystemExit"),
        ("ours:tell", "def (", "SyntaxError"),
    ],
)
def test_receiver_that_cannot_be_used_is_said_at_once(module, opened, named, text, why):
    """The start says what is wrong with the setting; the bot goes on, and alerts are kept for a later one."""
    module("ours", text)
    heard = []
    alerts = opened(named)
    alerts.listen(lambda code, text: heard.append((code, text)))
    alerts.send(make_match())

    assert [alert.code for alert in alerts.flush(0.2)] == ["CONFLICT_409"]
    assert heard[0][0] == "ALERT_UNDELIVERED"
    assert all(word in heard[0][1] for word in ("LOGRULES_ALERT_RECEIVERS", named, why))
    with pytest.raises(LogrulesError, match=why):
        load(named)


def test_kept_alert_goes_out_when_the_receiver_is_mended(module, opened):
    """What waited for a receiver that cannot be imported goes out with the start after it is mended."""
    first = opened("later:tell")
    first.send(make_match())
    assert len(first.flush(0.1)) == 1
    first.close()
    module(
        "later",
        """
        from logrules.receivers import DELIVERED
        told = []
        def tell(alert):
            told.append(alert)
            return DELIVERED
    """,
    )

    assert opened("later:tell").flush(20) == []
    assert len(sys.modules["later"].told) == 1


class Ntfy(Receiver[tuple[str, dict[str, object]]]):
    """The server of https://ntfy.sh, as far as it takes JSON."""

    @property
    def url(self):
        return self._http.url

    def _read(self, request):
        content = json.loads(request.body)
        return None, [(content["title"], content)]

    def _event_of(self, item):
        return item


def test_documented_example_works(module, opened, monkeypatch):
    """The example of docs/alerts.md, as it stands there: through a server that fails first, to a phone."""
    (example,) = re.findall(
        r"^```python\n(# ntfy\.py.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    module("ntfy", example)
    with Ntfy() as server:
        monkeypatch.setenv("NTFY_URL", server.url)
        monkeypatch.setenv("NTFY_TOPIC", "bots")
        server.status(503, times=1)
        alerts = opened("ntfy:send")
        alerts.send(make_match())
        (told,) = server.wait_for(1)
        assert alerts.flush(20) == []

    assert [attempt.status for attempt in server.attempts] == [503, 200]
    assert (told["topic"], told["priority"]) == ("bots", 5)
    assert "CONFLICT_409" in told["title"]
    assert rules.specs["CONFLICT_409"].remediation_lines("en") in told["message"]


def test_documented_verification_works():
    """The lines of docs/alerts.md take what we sign, and nothing that is old, forged or signed by others."""
    (snippet,) = re.findall(
        r"^```python\n(# verify\.py.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    scope: dict[str, Any] = {}
    exec(snippet, scope)
    verify, now = scope["verify"], int(time.time())
    key = bytes(range(32))
    secret, body = f"whsec_{base64.b64encode(key).decode()}", "тело".encode()

    def headers(at):
        sent = {"webhook-id": "1", "webhook-timestamp": str(at)}
        return {**sent, "webhook-signature": f"v1,x {signature(key, sent, body)}"}

    assert verify(secret, headers(now), body)
    assert not verify(secret, headers(now - 301), body)
    assert not verify(secret, headers(now), body + b" ")
    assert not verify(f"whsec_{base64.b64encode(bytes(32)).decode()}", headers(now), body)
    assert not verify(secret, headers(now) | {"webhook-id": "2"}, body)


BOT = """
    import json, os, signal, sys, time
    from pathlib import Path
    from logrules.alerts import open_alerts
    from logrules.core.match import Match
    from logrules.rules import rules
    from logrules.settings import Settings

    told = json.loads(sys.argv[2])
    if "alert_webhook_key" in told:
        told["alert_webhook_key"] = bytes.fromhex(told["alert_webhook_key"])
    alerts = open_alerts(Settings(service="b", instance="i", lang="en", state_file=sys.argv[1], **told), str)
    severity = rules.specs["CONFLICT_409"].severity
    for number in range(12):
        alerts.send(Match(code="CONFLICT_409", fatal=True, level=severity, message="m", proved=True,
                          service=f"s{number}", instance="i", time=time.time()))
    alerts.flush(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Chat:
    """A chat that fails as the Bot API does."""

    def __init__(self):
        self.api = BotApiServer()

    @property
    def settings(self):
        return {"alert_chat": "-100", "token": self.api.token, "bot_api": self.api.url}

    def fail(self, fault):
        if fault == "down":
            return self.api.down()
        kinds: dict[str, dict[str, Any]] = {
            "unavailable": {"status": 502, "raw": b"<html>Bad Gateway</html>"},
            "limited": {"retry_after": 1},
            "reset": {"abort": True},
            "ack_lost": {"abort": True, "executed": True},
        }
        return self.api.fail_next("sendMessage", **kinds[fault], times=2)

    def ok(self):
        self.api.up()

    def services(self):
        return {sent.text.split(" · ")[1] for sent in self.api.sent}


class Hook:
    """A webhook that fails as one does."""

    def __init__(self):
        self.api = WebhookReceiver()

    @property
    def settings(self):
        key = base64.b64decode(self.api.secret.removeprefix("whsec_"))
        return {"alert_webhook": self.api.url, "alert_webhook_key": key.hex()}

    def fail(self, fault):
        kinds: dict[str, tuple[Any, ...]] = {"unavailable": (503,), "limited": (429, {"Retry-After": "1"})}
        return self.api.status(*kinds[fault]) if fault in kinds else getattr(self.api, fault)()

    def ok(self):
        self.api.ok()

    def services(self):
        assert len(self.api.events) <= 12  # what came twice came with one id
        return {event["data"]["service"] for event in self.api.events.values()}


@pytest.fixture
def quick(monkeypatch):
    """Back-off and leases of tests: short."""
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(delivery, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(outbox, "LEASE", 1.0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", ["down", "unavailable", "limited", "reset", "ack_lost"])
@pytest.mark.parametrize("kind", [Chat, Hook])
def test_every_receiver_gets_what_a_killed_process_left(opened, tmp_path, kind, fault):
    """Under each fault, and SIGKILL amid its attempts: chat and webhook hear of every alert."""
    receiver = kind()
    with receiver.api:
        receiver.fail(fault)
        program = [sys.executable, "-c", textwrap.dedent(BOT), str(tmp_path / "x.db")]
        done = subprocess.run([*program, json.dumps(receiver.settings)], capture_output=True, check=False)
        receiver.ok()
        settings = receiver.settings
        if "alert_webhook_key" in settings:
            settings["alert_webhook_key"] = bytes.fromhex(settings["alert_webhook_key"])
        alerts = opened(**settings)
        receiver.api.wait_for(lambda: len(receiver.services()) == 12)

        assert done.returncode == -signal.SIGKILL, done.stderr
        assert alerts.flush(20) == []
        assert receiver.services() == {f"s{number}" for number in range(12)}
