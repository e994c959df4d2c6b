"""What a Sentry project can be told to do: whom to notify of our events, and what to hide in everybody's."""

from __future__ import annotations

from typing import Any

OFTENEST = 5
"""Minutes between two notifications of one issue, the least that both APIs take: how often something is told
is decided before it gets there."""

_OWNERS = {"targetType": "issue_owners", "targetDisplay": None, "targetIdentifier": ""}


def workflow(code: str, monitor: int) -> dict[str, Any]:
    """The alert of one code, for `POST /api/0/organizations/{organization}/workflows/`.

    The fields are those of https://docs.sentry.io/api/monitors/update-an-alert-by-id/. Without a trigger each
    event counts: https://docs.sentry.io/product/alerts/create-alerts/issue-alert-config/.

    Args:
        code: The code.
        monitor: The id of the project's error monitor.
    """
    email = {"type": "email", "integrationId": None, "data": {"fallthroughType": "ActiveMembers"}}
    tagged = {"key": "code", "match": "eq", "value": code}
    return {
        "name": _name(code),
        "enabled": True,
        "config": {"frequency": OFTENEST},
        "detectorIds": [monitor],
        "triggers": {"logicType": "any-short", "conditions": [], "actions": []},
        "actionFilters": [
            {
                "logicType": "all",
                "conditions": [{"type": "tagged_event", "comparison": tagged, "conditionResult": True}],
                "actions": [{**email, "config": _OWNERS, "status": "active"}],
            }
        ],
    }


def legacy(code: str) -> dict[str, Any]:
    """The same for `POST /api/0/projects/{organization}/{project}/rules/`, which older servers have instead.

    https://docs.sentry.io/api/alerts/create-an-issue-alert-rule-for-a-project/
    """
    email = "sentry.mail.actions.NotifyEmailAction"
    tagged = "sentry.rules.filters.tagged_event.TaggedEventFilter"
    target = {"targetType": "IssueOwners", "targetIdentifier": "", "fallthroughType": "ActiveMembers"}
    return {
        "name": _name(code),
        "frequency": OFTENEST,
        "actionMatch": "any",
        "conditions": [],
        "filterMatch": "all",
        "filters": [{"id": tagged, "key": "code", "match": "eq", "value": code}],
        "actions": [{"id": email, **target}],
    }


def _name(code: str) -> str:
    return f"logrules: {code}"


RULES: dict[str, dict[str, Any]] = {
    "bot_token": {
        "type": "pattern",
        "pattern": "[0-9]{6,}[:%][A-Za-z0-9_-]{30,}",
        "redaction": {"method": "replace", "text": "[bot token]"},
    },
    "url_password": {
        "type": "pattern",
        "pattern": r"://[^\s/?#:@]*:([^\s/?#@]+)@",
        "replaceGroups": [1],
        "redaction": {"method": "replace", "text": "[password]"},
    },
}
"""What Sentry's own scrubbing leaves in the messages, addresses and variables of a bot."""
SOURCE = "$string || $http.url || tags.* || culprit"
"""Where it may stand: `$string` leaves out the others."""


def scrubbing() -> dict[str, Any]:
    """Advanced Data Scrubbing, as Sentry and Relay keep it.

    https://docs.sentry.io/security-legal-pii/scrubbing/advanced-datascrubbing/
    """
    return {"rules": RULES, "applications": {SOURCE: list(RULES)}}
