"""Patterns drafted from raw lines: sound, silent on quotations, and recognising the line they came from."""

from __future__ import annotations

import pytest

from logrules.core import patterns
from logrules.core.drafts import draft
from logrules.core.engine import classify
from logrules.core.model import Form, Severity
from logrules.core.rulebook import Rulebook
from logrules.rules import rulebook, rules

SAMPLES = sorted({sample for pattern in rulebook().patterns for sample in pattern.match[:1]})


def codes(book: Rulebook, text: str) -> list[str]:
    return [match.code for match in classify(book, text)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_draft_recognises_its_own_line(sample: str) -> None:
    """Whatever a program prints, the draft is a sound pack that finds it, and not where it is quoted."""
    drafted = draft(sample)
    if drafted is None or not drafted.words:
        assert sample.startswith(("Traceback", " ")) or len(sample) < 20
        return
    (pattern,) = patterns.sound(drafted.toml("UPSTREAM_API_ERROR"), "my.toml", rules)
    book = Rulebook(rules.specs, [pattern])

    assert "UPSTREAM_API_ERROR" in codes(book, sample)
    assert not [quoted for quoted in pattern.ignore if codes(book, quoted)]


def test_a_draft_keeps_what_stays_and_lets_vary_what_varies() -> None:
    """Numbers, names, addresses, ids and quoted words become classes; the words stay, the head goes."""
    drafted = draft(
        "2026-01-15 08:29:41,511 - pay - ERROR - Payment 4711 of @alice refused: 'no money' at https://a.b/c"
    )

    assert drafted
    assert drafted.form is Form.LOG
    assert drafted.expression == (
        r"Payment -?[\d.,:]{1,40} of @\w{1,40} refused: '[^'\n]{0,99}' at https?://\S{1,99}"
    )
    assert drafted.words


def test_a_draft_of_a_traceback_is_its_last_line() -> None:
    """The exception says what happened; frames say where."""
    drafted = draft(
        'Traceback (most recent call last):\n  File "b.py", line 7, in f\n    g()\nshop.Empty: no stock 7'
    )

    assert drafted
    assert (drafted.form, drafted.expression) == (Form.TRACEBACK, r"shop\.Empty: no stock -?[\d.,:]{1,40}")


def test_a_quiet_line_is_asked_for_at_its_own_level() -> None:
    """A pattern for an information must say so, or it would never be met."""
    drafted = draft("INFO - Warehouse opened")

    assert drafted
    assert drafted.level is Severity.INFO


@pytest.mark.parametrize("text", ["    indented", "", "\n"])
def test_what_states_nothing_has_no_draft(text: str) -> None:
    """An indented or empty line is no statement."""
    assert draft(text) is None


def test_the_schema_of_packs_is_the_type() -> None:
    """Editors know every key and code, and nothing that a pack may not hold."""
    schema = patterns.schema(rules)
    keys = schema["$defs"]["Pattern"]["properties"]

    assert keys["code"]["enum"] == sorted(rules)
    assert {"any", "form", "whole", "beats", "ignore"} <= keys.keys()
    assert not {"pack", "number", "lead"} & keys.keys()
