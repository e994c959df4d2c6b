"""Patterns: the words they need, where those must stand, which of several wins; and the faults of packs."""

from __future__ import annotations

import random

import pytest

from logrules.core.engine import classify
from logrules.core.literals.factors import factors
from logrules.core.literals.scanner import Hit, Literal, Scanner
from logrules.core.ruleset.pack import load
from logrules.core.ruleset.rulebook import Rulebook
from logrules.rules import rules

FACTORS = {
    r"terminated by other (?:getUpdates request|long poll)": [
        "terminated by other getUpdates request",
        "terminated by other long poll",
    ],
    r"[Cc]hat not found": ["Chat not found", "chat not found"],
    r"lock \w+ (lost|gone)": [" lost", " gone"],
    r"(?:error )?Command failed": ["Command failed"],
    r"(?i)ERROR: конфликт": ["ERROR: "],
    r"(?:\d+ )+happened \d+": ["happened "],
    r"\bready(?! not)$": ["ready"],
    r"удал[её]н\b": ["удален", "удалён"],
    r"a+b": [],
    r"(?:ab|Conflict)": [],
    r".*": [],
}


@pytest.mark.parametrize(("pattern", "words"), FACTORS.items())
def test_the_words_that_a_pattern_needs(pattern: str, words: list[str]) -> None:
    """They are taken from the expression itself; one too short to be found is none."""
    assert [literal.data.decode() for literal in factors(pattern)] == words


def test_whatever_a_pattern_matches_holds_one_of_its_words() -> None:
    """The scanner never misses what the expression would have matched: over every shipped sample."""
    from logrules.rules import rulebook

    for pattern in rulebook().patterns:
        for number, text in enumerate(pattern.any):
            for sample in pattern.match:
                for found in pattern.compiled(number).finditer(sample):
                    held = found[0].encode()
                    assert any(
                        one.data.lower() in held.lower() if one.caseless else one.data in held
                        for one in factors(text)
                    ), (text, sample)


def test_both_scanners_find_the_same() -> None:
    """Vectorscan and bytes.find give the same hits: overlapping, caseless, Cyrillic, at the ends."""
    dice = random.Random(3)
    letters = ["a", "b", "A", "é", "ж", "\n", " "]
    for _ in range(200):
        words = {"".join(dice.choices(letters, k=dice.randint(3, 6))) for _ in range(8)}
        literals = [Literal(word.encode(), caseless=word.isascii() and dice.random() < 0.3) for word in words]
        data = "".join(dice.choices(letters, k=400)).encode()

        assert Scanner(literals, warm_up=0).scan(data) == Scanner(literals, warm_up=1).scan(data)


def test_a_scanner_goes_over_to_its_database_unnoticed() -> None:
    """The first bytes are searched without it, so that a short log costs no compilation."""
    scanner = Scanner([Literal(b"needle")], warm_up=40)

    assert [scanner.scan(b"a needle in the hay") for _ in range(4)] == [[Hit(8, 0)]] * 4
    assert scanner._database is not None


def test_a_scanner_of_nothing() -> None:
    """No patterns: no hits, no error."""
    assert Scanner([], warm_up=1).scan(b"abc") == []


def book(text: str) -> Rulebook:
    with_samples = text.replace("[[pattern]]\n", "[[pattern]]\nmatch = ['x']\n")
    return Rulebook(rules.specs, load(f"format = 0\n{with_samples}", "test.toml").patterns)


def said(pattern: str, text: str) -> list[tuple[str, str | None]]:
    return [(match.code, match.reason) for match in classify(book(pattern), text)]


BOOM = '[[pattern]]\ncode = "DB_LOCKED"\nany = ["boom happened"]\n'

STANDS = {
    "alone": "boom happened",
    "after a head": "2026-01-15 08:29:41 ERROR boom happened",
    "after an exception's name": "a.b.SomeError: boom happened",
    "after a chain of names": "a.b.C: (x.YError) FATAL:  boom happened",
    "after an emoji and a tag": "❌ [LOCK] boom happened",
    "as a traceback's last line": 'Traceback (most recent call last):\n  File "x", line 1\nE: boom happened',
    "in JSON": '{"level": "error", "msg": "boom happened"}',
    "after what failed": "ERROR - Failed to save user 7: boom happened",
    "after what failed, without a head": "Database error in save: boom happened",
    "after what failed, in Russian": "❌ Ошибка при запуске бота: boom happened",
    "after a function's name": "start_bot(): Bot::start - startBot - BotManager: (1/5) Step 2: boom happened",
    "after a file": "-> main.py:42: boom happened",
    "after a number, behind a head": "ERROR - Account 3: boom happened",
    "with unknown level": "2026/01/15 08:29:41 boom happened",
    "after what Go was at": "2026/01/15 08:29:41 setting results: store.Get: get user: boom happened",
}
FALLS = {
    "after other words": "so boom happened",
    "after what was not understood": "ERROR - Failed to parse the text: boom happened",
    "after a failure that somebody tells of": "INFO 42 Error in chat: boom happened",
    "after a name": "alice: boom happened",
    "after a name behind an hour": "[08:29] alice: boom happened",
    "after what somebody does, without a head": "get user: boom happened",
    "after what somebody says": "2026/01/15 08:29:41 saying hello: boom happened",
    "after a message": "2026/01/15 08:29:41 process message 42: boom happened",
    "in quotes": '"boom happened"',
    "in Russian quotes": "«boom happened»",
    "below warning": "2026-01-15 08:29:41 INFO boom happened",
    "below warning in JSON": '{"level": "info", "msg": "boom happened"}',
    "indented": "    boom happened",
    "in a frame": 'Traceback (most recent call last):\n  File "x", line 1, in y\n    boom happened',
}


TAILS = [
    " [bot.main] attempt=3",
    ' {"service": "bot", \'pid\': 7}',
    " (main.py:42)",
    ". Retrying in 5 seconds…",
    " (attempt 1/5), retrying in 5s",
    " +3ms",
]


def test_what_loggers_put_behind_whole_words() -> None:
    """Whose they are, where they stand and that they are tried again; not of whom, and no more words."""
    whole = BOOM.replace("any", "whole = true\nany")

    assert [tail for tail in TAILS if not said(whole, f"boom happened{tail}")] == []
    for tail in (" user_id=42", ' {"service": "bot", "path": "/"}', " to user 42", ' "and more"', " (42)"):
        assert said(whole, f"ERROR - boom happened{tail}") == []


@pytest.mark.parametrize("text", STANDS.values(), ids=STANDS.keys())
def test_words_that_count(text: str) -> None:
    """At the start of a statement, behind nothing but what loggers and exceptions put there."""
    assert said(BOOM, text) == [("DB_LOCKED", None)]


@pytest.mark.parametrize("text", FALLS.values(), ids=FALLS.keys())
def test_words_that_do_not_count(text: str) -> None:
    """Anywhere else they are somebody's prose."""
    assert said(BOOM, text) == []


def test_a_pattern_may_ask_for_a_lower_level_a_form_and_a_logger() -> None:
    """`level`, `form` and `logged` narrow or widen where words count."""
    assert said(f'{BOOM}level = "info"', "INFO boom happened") == [("DB_LOCKED", None)]
    assert said(f'{BOOM}level = "error"', "WARNING boom happened") == []
    assert said(f'{BOOM}form = ["line"]', "ERROR boom happened") == []
    assert said(f"{BOOM}logged = true", "boom happened") == []
    assert said(f"{BOOM}logged = false", "ERROR boom happened") == []


def test_a_pattern_may_ask_for_frames() -> None:
    """`frames` names the library in whose code a common exception has a meaning of its own."""
    trace = 'Traceback (most recent call last):\n  File "/a/{}/b.py", line 1, in c\n    d()\nE: boom happened'
    ours = f"{BOOM}frames = 'asyncpg/'"

    assert said(ours, trace.format("asyncpg")) == [("DB_LOCKED", None)]
    assert said(ours, trace.format("aiohttp")) == []


def test_good_news_counts_at_any_level() -> None:
    """A good sign is told at level info, and at debug."""
    good = '[[pattern]]\ncode = "POLLING_STARTED"\nany = ["up we go"]'

    assert said(good, "DEBUG:bot:up we go") == [("POLLING_STARTED", None)]


def test_the_exact_cause_wins() -> None:
    """One record, one code: generic ones yield, beaten ones go, a reason says more than none."""
    exact = '[[pattern]]\ncode = "DNS_ERROR"\nany = ["no such host"]\n'
    wrapper = '[[pattern]]\ncode = "NETWORK_ERROR"\ngeneric = true\nany = ["a.NetworkError: "]\n'
    vague = '[[pattern]]\ncode = "CONFLICT_409"\nany = ["Conflict: "]\n'
    known = '[[pattern]]\ncode = "CONFLICT_409"\nreason = "other_getupdates"\nany = ["Conflict: other"]\n'
    beater = '[[pattern]]\ncode = "POLLING_START_FAILED"\nbeats = ["CONFLICT_409"]\nany = ["start failed"]\n'
    trace = (
        'ERROR start failed\nTraceback (most recent call last):\n  File "x", line 1, in y\nConflict: other'
    )

    assert said(wrapper + exact, "a.NetworkError: no such host") == [("DNS_ERROR", None)]
    assert said(wrapper + exact, "a.NetworkError: x") == [("NETWORK_ERROR", None)]
    assert said(vague + known, "Conflict: other") == [("CONFLICT_409", "other_getupdates")]
    assert said(vague + known + beater, trace) == [("POLLING_START_FAILED", None)]
    assert said(vague + known, trace) == [("CONFLICT_409", "other_getupdates")]


def test_repeats_are_events_of_their_own() -> None:
    """Each record counts."""
    assert said(BOOM, "boom happened\nboom happened\n") == [("DB_LOCKED", None)] * 2


@pytest.mark.parametrize("label", ["[+] ", "[!] ", "[*]", "=> "])
def test_what_authors_put_before_the_words(label: str) -> None:
    """A script's bracketed sign and an arrow; a name in brackets stays somebody's."""
    assert said(BOOM, f"{label}boom happened") == [("DB_LOCKED", None)]
    assert said(BOOM, f"{label}alice: boom happened") == []
    assert said(BOOM, f"{label}[alice] ❌ boom happened") == []


def test_what_a_pack_lets_stand_before_the_words() -> None:
    """`lead` is for what libraries say before somebody else's words; it never counts by itself."""
    lead = f'lead = ["Telegram says: "]\n{BOOM}'

    assert said(lead, "Telegram says: boom happened") == [("DB_LOCKED", None)]
    assert said(lead, "Telegram says: nothing") == []
    assert said(BOOM, "Telegram says: boom happened") == []


OWN = f"own = ['boom happened']\n{BOOM}"


@pytest.mark.parametrize(
    "line",
    [
        "ERROR - cycle 5 of shop ended, boom happened",
        "WARNING - deliver chat_id=42 status=403 description=boom happened",
        "ERROR - Опрос прерван / boom happened",
        "polling error, attempt 2 = boom happened",
        "getUpdates [shop] => boom happened",
        "❌ send → 42: boom happened",
        "delivery failed / chat 42 / boom happened",
    ],
)
def test_what_only_a_library_says(line: str) -> None:
    """Behind it any words of its author may stand, where a level or they themselves say that it is bad."""
    assert said(OWN, line) == [("DB_LOCKED", None)]
    assert said(BOOM, line) == []


@pytest.mark.parametrize(
    "line",
    [
        "ERROR - alice wrote boom happened",
        "ERROR - Unknown command: boom happened",
        "ERROR - text from 42 = boom happened",
        'ERROR - Could not show "boom happened"',
        "ERROR - {'text': boom happened",
        "INFO - user 42 - boom happened",
        "[general] alice: boom happened",
        "alice: an error, ERROR - boom happened",
        "The bot stops with an error (boom happened), does yours?",
        "What does error - boom happened mean?",
        "PATTERN=error: boom happened",
    ],
)
def test_what_somebody_tells_of_a_library(line: str) -> None:
    """His name, his verb or his quotation marks before its words, and they are nobody's."""
    assert said(OWN, line) == []


def test_terms_are_spelled_out() -> None:
    """Expressions name the terms of their pack, and terms those above them; a repeat's braces stay."""
    pack = (
        "[terms]\nwho = '(?i:bot)|poller'\ndoes = '{who} (?:has )?boomed'\n"
        "[[pattern]]\ncode = 'DB_LOCKED'\nany = ['{does} x{2}']\n"
    )

    assert said(pack, "Bot boomed xx") == said(pack, "poller has boomed xx") == [("DB_LOCKED", None)]
    assert said(pack, "bot boomed x") == []
