"""Letters that did not survive their way: repaired where nothing else explains them, left alone elsewhere."""

from __future__ import annotations

import json
import random
import re

import pytest

from logrules.core.effects import Annotate
from logrules.core.engine import Engine, Policy, classify
from logrules.core.literals.codepages import spoilt
from logrules.core.model import Chunk, Origin
from logrules.core.reading.mojibake import repaired
from logrules.rules import rulebook

WRITTEN = ["❌ Ошибка: Конфликт", "⚠️ Внимание", "✅ ready", "🚀 Бот запущен", "⏸️ PASSIVE MODE", "ℹ️ Элемент"]
GENUINE = [
    "«СССР» и слово…» всё вот в…» № 5 — ещё Ёлка",
    "Її сім'я, ґанок, В’ячеслав",
    "naïve café – “quoted” — „so“, 100 € • done",
    "order 1409 paid",
    "résumé ‚single‘ low quotes",
]


@pytest.mark.parametrize("page", range(3))
@pytest.mark.parametrize("text", WRITTEN)
def test_each_page_is_read_back(text: str, page: int) -> None:
    """Cyrillic, emoji and signs come back from Windows' and old Macs' code pages."""
    assert repaired(spoilt(text.encode())[page].decode()) == text


@pytest.mark.parametrize("text", GENUINE + WRITTEN)
def test_what_was_meant_so_stays(text: str) -> None:
    """Quotation marks beside capitals, dashes and accents are what they are."""
    assert repaired(text) == text


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_spelled_out_is_read_back(text: str) -> None:
    """As JSON does in ASCII, in small letters or capitals, and Python on a stream that cannot write it."""
    spelled = json.dumps(text)[1:-1]

    assert repaired(spelled) == text
    assert repaired(text.encode("ascii", "backslashreplace").decode()) == text
    assert repaired(re.sub("u[0-9a-f]{4}", lambda found: f"u{found[0][1:].upper()}", spelled)) == text


@pytest.mark.parametrize(
    "text", [r"\u0022 \u000a \u0", r"C:\u04 \U0001", r"\\u0411", r"\ud83d x", r"C:\Users\U"]
)
def test_other_backslashes_stay(text: str) -> None:
    """Quotation marks and line ends that JSON spells out, halves of a letter, and paths."""
    assert repaired(text) == text


TOLD = ["Другой экземпляр уже опрашивает этого бота", "❌ Конфликт: найден второй экземпляр бота"]
LOGGED = [
    lambda text: json.dumps({"level": "error", "message": text}),
    lambda text: json.dumps({"asctime": "2026-01-15 08:29:41,511", "levelname": "ERROR", "message": text}),
    lambda text: f"ERROR:bot:{text.encode('ascii', 'backslashreplace').decode()}",
]
HEARD = [
    lambda text: json.dumps({"update_id": 1, "message": {"message_id": 7, "text": text}}),
    lambda text: json.dumps({"level": "info", "user_id": 42, "message": text}),
    lambda text: f"INFO:bot:alice: {text.encode('ascii', 'backslashreplace').decode()}",
]


@pytest.mark.parametrize("text", TOLD)
def test_rules_see_what_is_spelled_out(text: str) -> None:
    """Loggers that write JSON in ASCII, as Python's own does, are heard in Russian, too; chats are not."""
    assert [[match.code for match in classify(rulebook(), form(text))] for form in LOGGED] == [
        ["CONFLICT_409"]
    ] * 3
    assert [classify(rulebook(), form(text)) for form in HEARD] == [[]] * 3


def test_a_plain_blank_for_a_hard_one() -> None:
    """Viewers turn the last byte of a warning sign into a plain blank."""
    assert repaired("вљ пёЏ Conflict") == "⚠️ Conflict"


def test_any_text_may_come() -> None:
    """No text breaks it, and none gets longer."""
    letters = "вљ пёЏРћСРрџâœ…ðŸ‚ùå–ö—ÑÔ∏èa1 \xa0\x98\u2028"
    dice = random.Random(3)
    for _ in range(5000):
        text = "".join(dice.choices(letters, k=dice.randrange(24)))
        assert len(repaired(text)) <= len(text)


SPOILT = [
    (
        "вќЊ Конфликт".replace("Конфликт", "РљРѕРЅС„Р»РёРєС‚") + ": РґСЂСѓРіРѕР№ СЌРєР·РµРјРїР»СЏСЂ Р±РѕС‚Р°",
        "CONFLICT_409",
    ),
    ("âœ… PostgreSQL advisory lock acquired", "LOCK_ACQUIRED"),
    ("вљ пёЏ Conflict: terminated by other getUpdates request; make sure", "CONFLICT_409"),
    ("2026-01-15 08:29:41,511 - bot - INFO - вњ… Advisory lock keep-alive task started", "KEEPALIVE_STARTED"),
]


@pytest.mark.parametrize(("line", "code"), SPOILT)
def test_rules_see_through_it(line: str, code: str) -> None:
    """Words in Cyrillic are found though none of their bytes are there; emoji hide no words."""
    assert [match.code for match in classify(rulebook(), line)] == [code]


@pytest.mark.parametrize(("line", "code"), SPOILT)
def test_a_quotation_stays_one(line: str, code: str) -> None:
    """Somebody's spoilt words in a chat are still somebody's words."""
    assert not classify(rulebook(), f"alice: {line}"), code


def test_it_does_not_matter_how_lines_come_in() -> None:
    """One chunk or a chunk for each line: the same codes."""
    lines = [line for line, _ in SPOILT]
    whole = [match.code for match in classify(rulebook(), "\n".join(lines))]
    engine, origin = Engine(rulebook(), Policy(acts=False)), Origin("bot", "-", "stdout")
    effects = [effect for line in lines for effect in engine.feed(Chunk(origin, f"{line}\n".encode(), 0.0))]
    effects += engine.end(origin, 0.0)

    assert [effect.match.code for effect in effects if isinstance(effect, Annotate)] == whole
