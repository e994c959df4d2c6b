"""The checklist that logrules was asked for, row by row: what to look for in a log, and what it leads to."""

from __future__ import annotations

import pytest

from logrules.core.engine import classify
from logrules.core.match import Match
from logrules.core.model import Exit, Sign
from logrules.rules import rulebook, rules


def _only(line: str) -> Match:
    (match,) = classify(rulebook(), line)
    return match


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


DELETE_WEBHOOK = "curl https://api.telegram.org/bot<TOKEN>/deleteWebhook"
DIAGNOSES: dict[tuple[str, str | None], dict[str, list[list[str]]]] = {
    ("CONFLICT_409", None): {
        "en": [
            ["Render Dashboard", "only ONE service"],
            ["Stop all local instances"],
            ["Delete the webhook", f"{DELETE_WEBHOOK}?drop_pending_updates=true", "WARNING"],
        ],
        "ru": [
            ["Render Dashboard", "только ОДИН сервис"],
            ["Остановите все локальные экземпляры"],
            ["Удалите вебхук", f"{DELETE_WEBHOOK}?drop_pending_updates=true", "ВНИМАНИЕ"],
        ],
    },
    ("LOCK_REACQUIRE_FAILED", None): {
        "en": [
            ["Check the connection to PostgreSQL"],
            ["DATABASE_URL is set correctly"],
            ["only one instance tries to take the lock"],
        ],
        "ru": [
            ["Проверьте подключение к PostgreSQL"],
            ["DATABASE_URL установлен правильно"],
            ["только один экземпляр пытается получить блокировку"],
        ],
    },
    ("POLLING_START_FAILED", "conflict"): {
        "en": [
            ["Another instance of the bot already runs"],
            ["Check all services on Render"],
            ["Stop the duplicates"],
        ],
        "ru": [
            ["Другой экземпляр бота уже запущен"],
            ["Проверьте все сервисы на Render"],
            ["Остановите дублирующие сервисы"],
        ],
    },
}
DIAGNOSES["CONFLICT_409", "other_getupdates"] = DIAGNOSES["CONFLICT_409", None]
"""The three diagnoses that this project began with, step by step."""

SEED = [
    pytest.param(code, reason, lang, words, id=f"{code}-{lang}-{number}")
    for (code, reason), languages in DIAGNOSES.items()
    for lang, steps in languages.items()
    for number, words in enumerate(steps, 1)
]


@pytest.mark.parametrize(("code", "reason", "lang", "words"), SEED)
def test_diagnosis(code: str, reason: str | None, lang: str, words: list[str]) -> None:
    """Each step of the original diagnosis stands in the remediation, in both languages."""
    text = rules[code].why(reason).spec.remediation(lang)

    assert [word for word in words if word not in text] == []


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
