"""The checklist that logrules was asked for, row by row: what to look for in a log, and what it leads to."""

from __future__ import annotations

import pytest

from logrules.core.engine import classify
from logrules.core.model import Exit, Match, Sign
from logrules.rules import rulebook, rules


def _only(line: str) -> Match:
    (match,) = classify(rulebook(), line)
    return match


def _steps(code: str, reason: str | None, lang: str) -> str:
    return " ".join(rules.speak(lang)[code].why(reason).steps)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("✅ PostgreSQL advisory lock acquired", "LOCK_ACQUIRED"),
        ("✅ Webhook удалён", "WEBHOOK_DELETED"),
        ("✅ Polling started successfully!", "POLLING_STARTED"),
        ("✅ Advisory lock keep-alive task started", "KEEPALIVE_STARTED"),
    ],
)
def test_good_sign(line, code):
    """Each good sign of the checklist has its code, and asks for nothing."""
    match = _only(line)

    assert (match.code, match.fatal) == (code, False)
    assert rules[code].sign is Sign.GOOD
    assert rules[code].alert is None


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        (
            "❌❌❌ 409 CONFLICT DETECTED: Conflict: terminated by other getUpdates request",
            "CONFLICT_409",
            None,
        ),
        ("❌ Error reacquiring lock: connection refused", "LOCK_REACQUIRE_FAILED", None),
        ("❌❌❌ Conflict при запуске polling - немедленный выход", "POLLING_START_FAILED", "conflict"),
    ],
)
def test_bad_sign(line, code, reason):
    """Each bad sign of the checklist is fatal, wakes somebody and ends in a clean exit."""
    match = _only(line)

    assert (match.code, match.fatal) == (code, True)
    assert match.reason == reason or reason is None
    rule = rules[code].why(reason)
    assert rule.alert is not None
    assert rule.exit in {Exit.TEMPFAIL, Exit.SOFTWARE}


@pytest.mark.parametrize(
    "words", ["409 CONFLICT DETECTED", "Error reacquiring lock", "Conflict при запуске polling"]
)
@pytest.mark.parametrize(
    "head",
    [
        "",
        "❌ ",
        "2025-01-17 10:00:00,123 - bot - ERROR - ❌❌❌ ",
        "2025-01-17T10:00:00.123456789Z ERROR bot: ",
    ],
)
def test_bad_sign_in_every_dress(head, words):
    """A bad sign is found bare, decorated, and behind the head of a logger or a platform."""
    assert _only(head + words).fatal


DIAGNOSES: dict[tuple[str, str | None], dict[str, tuple[str, ...]]] = {
    ("CONFLICT_409", None): {
        "en": (
            "Render Dashboard",
            "only ONE service",
            "Stop all local instances",
            "deleteWebhook?drop_pending_updates=true",
        ),
        "ru": (
            "Render Dashboard",
            "только ОДИН сервис",
            "Остановите все локальные экземпляры",
            "deleteWebhook?drop_pending_updates=true",
        ),
    },
    ("CONFLICT_409", "other_getupdates"): {
        "en": (
            "Render Dashboard",
            "only ONE service",
            "Stop all local instances",
            "deleteWebhook?drop_pending_updates=true",
        ),
        "ru": (
            "Render Dashboard",
            "только ОДИН сервис",
            "Остановите все локальные экземпляры",
            "deleteWebhook?drop_pending_updates=true",
        ),
    },
    ("LOCK_REACQUIRE_FAILED", None): {
        "en": (
            "connection to PostgreSQL",
            "DATABASE_URL is set correctly",
            "only one instance tries to take the lock",
        ),
        "ru": ("подключение к PostgreSQL", "DATABASE_URL", "только один экземпляр"),
    },
    ("POLLING_START_FAILED", "conflict"): {
        "en": ("Another instance", "services on Render", "Stop the duplicates"),
        "ru": ("Другой экземпляр", "сервисы на Render", "Остановите"),
    },
}


@pytest.mark.parametrize("lang", ["en", "ru"])
@pytest.mark.parametrize(("code", "reason"), DIAGNOSES)
def test_diagnosis(code, reason, lang):
    """Each diagnosis of the checklist is told with every one of its steps, in both languages."""
    told = _steps(code, reason, lang)

    assert [step for step in DIAGNOSES[code, reason][lang] if step.lower() not in told.lower()] == []


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_what_destroys_messages_says_so(lang):
    """The checklist's deleteWebhook throws users' messages away: the step that names it warns."""
    step = next(s for s in rules.speak(lang)["CONFLICT_409"].steps if "drop_pending_updates" in s)

    assert {"en": "WARNING", "ru": "ВНИМАНИЕ"}[lang] in step


@pytest.mark.parametrize(
    "line",
    [
        "INFO order 1409 paid",
        "2025-01-17 10:00:00,123 - shop - ERROR - order 409 is in conflict with order 410",
        "2025-01-17 10:00:00,123 - docker - ERROR - 409 Client Error: Conflict (container name is in use)",
        "CONFLICT (content): Merge conflict in bot.py",
        "✅ Preflight check passed: no conflicts detected, ready for polling",
        "⏳ Waiting 10 seconds to avoid conflicts with previous instance...",
    ],
)
def test_conflict_is_a_meaning_not_a_number(line):
    """Neither 409 nor the word conflict is a conflict of pollers."""
    assert classify(rulebook(), line) == []
