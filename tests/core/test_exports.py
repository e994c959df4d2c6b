"""What a Sentry project is told: rules of the documented form, and scrubbing that its scrubber follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sentry_relay.processing import convert_datascrubbing_config, pii_strip_event, validate_pii_config

from logrules.core.export.sentry import RULES, SOURCE, legacy, scrubbing, workflow

TOKEN = "123456789:" + "A" * 35
QUOTED = TOKEN.replace(":", "%3A")
PASSWORD = "hunter22"
DATABASE = f"postgres://bob:{PASSWORD}@db.example:5432/x"


def leaky() -> dict[str, Any]:
    """What the SDK's defaults send of a Conflict and of a refused connection, all of it in one event."""
    poll = f"https://api.telegram.org/bot{TOKEN}/getUpdates"
    frame = {
        "function": "get_updates",
        "vars": {
            "self": f"Bot[token={TOKEN}]",
            "url": poll,
            "kwargs": {"dsn": DATABASE, "args": [DATABASE, QUOTED]},
        },
    }
    return {
        "culprit": f"bot{TOKEN}",
        "logentry": {"formatted": f"Error while polling {poll}", "params": [poll, DATABASE]},
        "server_name": "10.0.0.1:5432",
        "tags": [["url", poll], ["database", DATABASE]],
        "extra": {"sys.argv": ["bot.py", TOKEN, f"--dsn={DATABASE}"]},
        "request": {"url": poll, "headers": [["X-Token", TOKEN]], "data": {"token": QUOTED}},
        "contexts": {"bot": {"token": TOKEN}},
        "user": {"username": f"bob {TOKEN}"},
        "breadcrumbs": {
            "values": [{"message": f"HTTP Request: POST {poll}", "data": {"url": poll, "db": DATABASE}}]
        },
        "exception": {
            "values": [{"type": "Conflict", "value": f"{poll} {DATABASE}", "stacktrace": {"frames": [frame]}}]
        },
    }


def holds(event: dict[str, Any]) -> bool:
    text = json.dumps({name: value for name, value in event.items() if name != "_meta"})
    return any(secret in text for secret in (TOKEN[10:], PASSWORD))


def test_sentry_takes_the_configuration():
    """Sentry's own check finds no fault in it: no unknown key, no regular expression that is too large."""
    assert validate_pii_config(json.dumps(scrubbing())) is None


def test_scrubbing_hides_what_sentry_leaves():
    """With it nothing is left of token and password, anywhere; what helps an operator stays."""
    usual = convert_datascrubbing_config({"scrubData": True, "scrubDefaults": True})
    assert holds(pii_strip_event(usual, leaky()))
    stripped = pii_strip_event(scrubbing(), leaky())

    assert not holds(stripped)
    assert stripped["logentry"]["formatted"] == (
        "Error while polling https://api.telegram.org/bot[bot token]/getUpdates"
    )
    assert stripped["extra"]["sys.argv"][2] == "--dsn=postgres://bob:[password]@db.example:5432/x"
    assert stripped["server_name"] == "10.0.0.1:5432"


@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_needed(name):
    """Without one of the rules something is left."""
    others = [rule for rule in RULES if rule != name]

    assert holds(pii_strip_event({**scrubbing(), "applications": {SOURCE: others}}, leaky()))


@pytest.mark.parametrize("source", SOURCE.split(" || "))
def test_each_source_is_needed(source):
    """Without one of the places something is left."""
    others = [other for other in SOURCE.split(" || ") if other != source]

    assert holds(
        pii_strip_event({**scrubbing(), "applications": {" || ".join(others): list(RULES)}}, leaky())
    )


@pytest.mark.parametrize(
    "text",
    ["http://localhost:5432/a@b", "2026-11-22 09:40:42", "update 1234567:ok", "see https://t.me/BotFather"],
)
def test_ordinary_text_is_left_alone(text):
    """Ports, times, numbers and addresses are no secrets."""
    event = pii_strip_event(scrubbing(), {"logentry": {"formatted": text}})

    assert event["logentry"]["formatted"] == text


def test_workflow_is_as_documented():
    """The fields of Sentry's API for alerts, and no other: every event of the code notifies."""
    rule = workflow("CONFLICT_409", 7)
    (group,) = rule["actionFilters"]
    (condition,), (action,) = group["conditions"], group["actions"]

    assert set(rule) == {"name", "enabled", "config", "detectorIds", "triggers", "actionFilters"}
    assert rule["config"]["frequency"] in {0, 5, 10, 30, 60, 180, 720, 1440}
    assert rule["detectorIds"] == [7]
    assert rule["triggers"] == {"logicType": "any-short", "conditions": [], "actions": []}
    assert (condition["type"], condition["conditionResult"]) == ("tagged_event", True)
    assert condition["comparison"] == {"key": "code", "match": "eq", "value": "CONFLICT_409"}
    assert set(action) == {"type", "integrationId", "data", "config", "status"}
    assert set(action["config"]) == {"targetType", "targetDisplay", "targetIdentifier"}


def test_legacy_rule_is_as_documented():
    """The fields of the API before it: a name, a filter, an action, and a frequency that is allowed."""
    rule = legacy("CONFLICT_409")

    assert set(rule) == {
        "name",
        "frequency",
        "actionMatch",
        "conditions",
        "filterMatch",
        "filters",
        "actions",
    }
    assert 5 <= rule["frequency"] <= 43200
    assert rule["conditions"] == []
    assert [(each["key"], each["match"], each["value"]) for each in rule["filters"]] == [
        ("code", "eq", "CONFLICT_409")
    ]
    assert all(each["id"].startswith("sentry.") for each in [*rule["filters"], *rule["actions"]])
