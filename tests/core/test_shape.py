"""The schema of packs: what an editor refuses, `check` refuses, and nothing else for its form alone."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logrules.core.ruleset import pack, shape
from logrules.core.ruleset.patterns import Pattern
from logrules.rules import packs, rules
from tests.core.test_pack import OVERRIDE, PATTERNS, TABLES

SCHEMA = shape.schema(rules)
EDITOR = jsonschema.Draft202012Validator(SCHEMA)


def agree(data: Any) -> bool:
    """Whether the editor and we say the same of a document; returns what that is."""
    refused = not EDITOR.is_valid(data)

    assert bool(list(shape.faults(data, shape.PACK))) == refused, (data, list(shape.faults(data, shape.PACK)))
    return not refused


def test_the_schema_is_one() -> None:
    """It is valid itself, JSON, and uses nothing that our own reader of it does not know."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    known = {
        "type",
        "description",
        "enum",
        "pattern",
        "not",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "items",
    }
    known |= {
        "properties",
        "required",
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "anyOf",
        "minimum",
    }

    def keywords(part: Any) -> set[str]:
        below = [*part.get("properties", {}).values(), *part.get("anyOf", ())]
        below += [part[key] for key in ("items", "additionalProperties") if isinstance(part.get(key), dict)]
        return set(part).union(*map(keywords, below))

    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert keywords(SCHEMA) - {"$schema", "title", "examples"} == known


def test_editors_know_every_key_and_code() -> None:
    """Every key of a pattern and of a code has its description, and every code of ours is offered."""
    pattern = SCHEMA["properties"]["pattern"]["items"]["properties"]

    assert pattern["code"]["examples"] == sorted(rules)
    assert set(pattern) == set(Pattern.__struct_fields__) - {"pack", "number", "lead", "own"}
    assert all(each["description"] for each in [*pattern.values(), *shape.CODES.values()])


@pytest.mark.parametrize("name", sorted(packs()))
def test_our_own_packs_are_of_that_shape(name: str) -> None:
    """What we ship is what an editor takes."""
    assert agree(tomllib.loads(packs()[name]))


def test_what_is_said_of_codes_is_of_that_shape() -> None:
    """So are our codes, and a pack that says some of it differently."""
    from logrules.rules import _text

    assert agree(tomllib.loads(_text("codes.toml")))
    assert agree(tomllib.loads(OVERRIDE))


FORMS = [
    *(f"format = 0\n[[pattern]]\ncode = 'DB_LOCKED'\n{lines}\nmatch = ['boom']\n" for lines in PATTERNS),
    *(f"format = 0\n{text}" for text in TABLES),
    *("", "format = 1", "format = '0'", "format = false", "format = 0.0"),
]


@pytest.mark.parametrize("text", FORMS, ids=range(len(FORMS)))
def test_what_an_editor_refuses_check_refuses(text: str) -> None:
    """Both ways: they say the same of the form, and whatever the editor refuses is a fault of `check`."""
    fits = agree(tomllib.loads(text.replace("2020-02-01", "7")))

    assert fits or pack.read(text, "my.toml").faults


KEYS = sorted(
    {
        "format",
        "lead",
        "own",
        "off",
        "terms",
        "pattern",
        "code",
        "how",
        *shape.PATTERN,
        *shape.CODES,
        "en",
        "ru",
    }
)
WORDS = [
    "",
    "x",
    "log",
    "warning",
    "bad",
    "DB_LOCKED",
    "MY_CODE",
    "90s",
    "5 min",
    "tempfail",
    "none",
    "a\nb",
    "x" * 2100,
]
VALUES = st.recursive(
    st.one_of(st.sampled_from(WORDS), st.booleans(), st.integers(-1, 2), st.sampled_from([0.0, 1.5])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([*KEYS, "title", "count", "within", "level", "x y"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), st.booleans())
def test_they_agree_on_anything(data: dict[str, Any], of_codes: bool) -> None:
    """Over documents of right and wrong keys and kinds, at the top, in a pattern and in a code."""
    agree(data)
    agree({"format": 0, "pattern": [{"code": "DB_LOCKED", "any": ["x"], "match": ["x"], **data}]})
    if of_codes:
        agree({"format": 0, "code": {"MY_CODE": data}, "how": data})
