"""Patterns drafted from raw lines: sound, silent on quotations, and recognising the line they came from."""

from __future__ import annotations

import pytest

from logrules.core.engine import classify
from logrules.core.model import Form, Severity
from logrules.core.ruleset.codes import CODE
from logrules.core.ruleset.drafts import Draft, drafts, name
from logrules.core.ruleset.rulebook import Rulebook
from logrules.rules import extended, rulebook, rules

SAMPLES = sorted({sample for pattern in rulebook().patterns for sample in pattern.match[:1]})


def draft(text: str) -> Draft | None:
    """The best one."""
    return next(drafts(text), None)


def codes(book: Rulebook, text: str) -> list[str]:
    return [match.code for match in classify(book, text)]


def test_a_draft_recognises_its_own_line() -> None:
    """Whatever a program prints, the draft is a sound pack that finds it, and not where it is quoted."""
    for sample in SAMPLES:
        drafted = draft(sample)
        if drafted is None or not drafted.words:
            assert sample.startswith(("Traceback", " ")) or len(sample) < 20, sample
            continue
        (pack,) = extended({"my.toml": drafted.toml("UPSTREAM_API_ERROR", own=False)}).own
        book = Rulebook(rules.specs, pack.patterns)

        assert "UPSTREAM_API_ERROR" in codes(book, sample), sample
        assert not codes(book, drafted.quoted), sample


def test_a_draft_keeps_what_stays_and_lets_vary_what_varies() -> None:
    """Numbers, names, addresses, ids and quoted words become classes; the words stay, the head goes."""
    drafted = draft(
        "2026-01-15 08:29:41,511 - pay - ERROR - Payment 4711 of @alice refused: 'no money' at https://a.b/c"
    )

    assert drafted
    assert drafted.form is Form.LOG
    assert drafted.expression == (
        r"Payment -?[0-9.,:]{1,200} of @\w{1,200} refused: '[^'\n]{0,200}' at https?://\S{1,200}"
    )
    assert drafted.words


def test_a_number_ends_where_its_sentence_does() -> None:
    """A point behind a number is no part of it, so that the expression can end in one way only."""
    drafted = draft("ERROR - Step 3 failed 7.5.")

    assert drafted
    assert drafted.expression == r"Step -?[0-9.,:]{1,200} failed -?[0-9]{1,200}\.[0-9]{1,200}\."


def test_a_draft_of_a_traceback_is_its_last_line() -> None:
    """The exception says what happened; frames say where."""
    drafted = draft(
        'Traceback (most recent call last):\n  File "b.py", line 7, in f\n    g()\nshop.Empty: no stock 7'
    )

    assert drafted
    assert (drafted.form, drafted.expression) == (
        Form.TRACEBACK,
        r"shop\.Empty: no stock -?[0-9.,:]{1,200}",
    )


def test_a_quiet_line_is_asked_for_at_its_own_level() -> None:
    """A pattern for an information must say so, or it would never be met."""
    drafted = draft("INFO - Warehouse opened")

    assert drafted
    assert drafted.level is Severity.INFO
    assert 'level  = "info"' in drafted.toml("POLLING_STARTED", own=False)


@pytest.mark.parametrize("text", ["    indented", "", "\n"])
def test_what_states_nothing_has_no_draft(text: str) -> None:
    """An indented or empty line is no statement."""
    assert draft(text) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Payment 7 refused for @bob", "MY_PAYMENT_REFUSED_FOR"),
        ("x 1 of 2", "MY_RULE"),
        ("Заказ не найден", "MY_RULE"),
        ("Donaudampfschifffahrtsgesellschaft is late", "MY_DONAUDAMPFSCHI_LATE"),
    ],
)
def test_a_code_is_named_after_the_words(said: str, expected: str) -> None:
    """Its first words, in a form that a code may have; a name that is taken gets a number."""
    assert name(said, ()) == expected
    assert CODE.match(name(said, ()))
    assert name(said, {expected}) == f"{expected}_2"
