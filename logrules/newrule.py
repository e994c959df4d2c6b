"""`logrules new-rule`: a pattern drafted from a raw line, and the JSON Schema of packs for editors."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from logrules.core import patterns
from logrules.core.drafts import draft
from logrules.core.engine import classify
from logrules.core.model import Exit, LogrulesError
from logrules.core.redact import Redactor, secrets_in
from logrules.rules import rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDER = "PUT_A_CODE_HERE"


def new_rule(text: str, code: str | None, packs: Mapping[str, str]) -> int:
    """Print a pack with one pattern that recognises `text`. Raises LogrulesError if there can be none."""
    if code is not None and code not in rules:
        raise LogrulesError(f"--code: there is no code {code!r}. List them all: logrules codes")
    redact = Redactor(secrets_in(os.environ))
    drafted = draft(redact(text))
    if drafted is None:
        raise LogrulesError("these words state nothing: give the whole line, from its first character on")
    if not drafted.words:
        raise LogrulesError(
            "nothing in this line is the same each time: give one with at least three fixed letters in a row"
        )
    for match in classify(rulebook(packs), text):
        print(f"# {match.rule} knows this line already, as {match.code}. Yours would come first.")
    words = " | ".join(json.dumps(word, ensure_ascii=False) for word in drafted.words)
    print(f"# The scanner looks for: {words}")
    if code is None:
        print("# Choose a code: logrules codes")
    print("# Save it as my.toml, try it: logrules check my.toml; use it: logrules scan --pack my.toml FILE")
    sys.stdout.write(drafted.toml(code or PLACEHOLDER))
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of packs, with every code that a pattern may name."""
    print(json.dumps(patterns.schema(rules), indent=2))
    return Exit.OK
