"""`logrules new-rule`: a pattern drafted from a raw line, and the JSON Schema of packs for editors."""

from __future__ import annotations

import difflib
import json
import os
import sys
from typing import TYPE_CHECKING

from logrules.commands.check import faults_of
from logrules.core.engine import classify
from logrules.core.model import Exit, LogrulesError
from logrules.core.redact import Redactor, secrets_in
from logrules.core.ruleset import shape
from logrules.core.ruleset.codes import CODE
from logrules.core.ruleset.drafts import SCHEMA, Draft, drafts, name
from logrules.core.text import printable
from logrules.rules import rules
from logrules.userpacks import FILE, FOLDER

if TYPE_CHECKING:
    from logrules.rules import Rules

MISSPELT = 0.85
"""How alike two codes are, one of them misspelt: https://docs.python.org/3/library/difflib.html."""
_DRAFT = "the draft"


def new_rule(text: str, code: str | None, known: Rules) -> int:
    """Print a pack with one pattern that recognises `text`. Raises LogrulesError if there can be none."""
    if code is not None:
        _refuse_misspelt(code, known)
    raw = text.encode("utf-8", "surrogateescape")  # what is no text is read as a scan reads it
    text = Redactor(secrets_in(os.environ))(raw.decode("utf-8", "replace"))
    found = [each for each in drafts(text) if each.expression]
    if not found:
        raise LogrulesError("these words state nothing: give the whole line, from its first character on")
    if not any(each.words for each in found):
        raise LogrulesError(
            "nothing in this line is the same each time: give one with at least three fixed letters in a row"
        )
    own = code or name(found[0].said, known)
    pack = next(filter(None, (_sound(each, own, known) for each in found if each.words)), None)
    if pack is None:
        raise LogrulesError(
            "nothing tells this line from somebody's words: give it as the program prints it, with its head"
        )
    sys.stdout.write(pack)
    _explain(text, own, known)
    return Exit.OK


def _refuse_misspelt(code: str, known: Rules) -> None:
    """A code that is not known yet is one of the user's own, unless another one was meant."""
    if code in known:
        return
    if not CODE.match(code):
        raise LogrulesError(
            f"--code: {code!r} is no code: capital letters, digits and _, such as SHOP_CLOSED"
        )
    if close := difflib.get_close_matches(code, list(known), 1, MISSPELT):
        raise LogrulesError(f"--code: there is no code {code}; did you mean {close[0]}? All: logrules codes")


def _sound(draft: Draft, code: str, known: Rules) -> str | None:
    """The draft as a pack that `check` accepts; None if it cannot be."""
    beaten = {match.code for match in classify(known.rulebook, draft.sample)} - {code}
    draft = draft._replace(beats=tuple(sorted(beaten)))
    around = {each.source: each.text for each in known.own}
    for tried in (draft._replace(ignore=draft.quoted), draft):
        pack = tried.toml(code, own=code not in known)
        if not any(faults_of({_DRAFT: pack}, around)):
            return pack
    return None


def _explain(text: str, own: str, known: Rules) -> None:
    """What to do with the draft: on standard error, so that the draft goes to a file as it is."""
    for match in classify(known.rulebook, text):
        _say(f"{match.rule} knows this line already, as {match.code}. Yours would come first.")
    if own not in known:
        _say(f"{own} is a code of your own: say what it means, or put one of ours there (logrules codes).")
    _say(f"Put it into {FILE} beside the bot, or into a file of its own in {FOLDER}, and run: logrules check")
    _say(f"For an editor that completes and checks: logrules schema > {SCHEMA}")


def _say(words: str) -> None:
    print(f"# {printable(words)}", file=sys.stderr)


def schema() -> int:
    """Print the JSON Schema of packs, with every code that a pattern may name."""
    print(json.dumps(shape.schema(rules), indent=2, ensure_ascii=False))
    return Exit.OK
