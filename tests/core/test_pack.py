"""Packs from anybody: every fault with its place and a suggestion; what may be said of our codes."""

from __future__ import annotations

import re
import time

import pytest

from logrules.core.model import Exit, Severity, Sign
from logrules.core.ruleset import codes
from logrules.core.ruleset.pack import LONGEST, PackError, is_off, lint, load, read
from logrules.rules import extended, known, rules

PATTERN = "[[pattern]]\ncode = 'DB_LOCKED'\nany = ['boom happened']\nmatch = ['boom happened']\n"
CODE = """
[code.MY_CODE]
sign = "bad"
summary = "It broke."
remediation = ["Mend it."]
"""


def faults(text: str) -> list[str]:
    pack = read(f"format = 0\n{text}", "my.toml")
    return [str(each) for each in (*pack.faults, *lint(pack, known()))]


PATTERNS = {
    "anny = ['boom happened']": (4, 1, "unknown key 'anny': did you mean 'any'?"),
    "any = ['[a-z]+']": (4, 8, "has no fixed words of at least 3 bytes"),
    "any = ['(boom']": (4, 8, "is no regular expression: missing )"),
    'any = ["boom\\b"]': (4, 8, "`any` has a control character in it"),
    "any = ['fine words', '(bo*o*)+ happened']": (4, 22, "can take for ever on a hostile line"),
    "any = ['boom.*a.*b.*c']": (4, 8, "can take too long on a hostile line"),
    "any = []": (4, 1, "`any` is empty: write at least one"),
    "any = 'boom'": (4, 1, "`any` must be a list, such as ['…', '…'], not a text"),
    "any = ['boom', 7]": (4, 16, "entry 2 of `any` must be a text in quotes, not a number"),
    "any = ['{who} boomed']": (4, 8, "unknown term 'who'"),
    f"any = ['{'x' * 2001}']": (4, 8, "is longer than 2000 characters"),
    "any = ['boom']\nform = ['logs']": (5, 9, "unknown 'logs': did you mean 'log'?"),
    "any = ['boom']\nform = 'log'": (5, 1, "`form` must be a list"),
    "any = ['boom']\nlevel = 'loud'": (5, 1, "`level`: unknown 'loud'; known are critical, debug"),
    "any = ['boom']\nwhole = 'yes'": (5, 1, "`whole` must be true or false, without quotes, not a text"),
    "any = ['boom']\nreason = 'A B'": (5, 1, "'A B' is not a name: small letters"),
    "any = ['boom']\nbeats = ['DB_LOKED']": (5, 1, "unknown code 'DB_LOKED': did you mean 'DB_LOCKED'?"),
    "any = ['boom']\nframes = '(x+)+y'": (5, 1, "can take for ever"),
}


@pytest.mark.parametrize(("lines", "expected"), PATTERNS.items(), ids=[key[:30] for key in PATTERNS])
def test_a_fault_of_a_pattern(lines: str, expected: tuple[int, int, str]) -> None:
    """File, line, column, pattern and code, what is wrong and what to write; and no second fault for it."""
    line, column, why = expected
    (said,) = faults(f"[[pattern]]\ncode = 'DB_LOCKED'\n{lines}\nmatch = ['boom']\n")

    assert said.startswith(f"my.toml:{line}:{column}: pattern 1 (DB_LOCKED): ")
    assert why in said


TABLES = {
    "": (None, "there is nothing in it"),
    "[pattern]\ncode = 'X'": ((2, 1), "`[[pattern]]`, with two brackets"),
    "patern = 1": ((2, 1), "unknown key 'patern': did you mean 'pattern'?"),
    "lead = 'x'": ((2, 1), "`lead` must be a list"),
    "own = ['fine', '(x+)+: ']": ((2, 16), "can take for ever"),
    "lead = ['fine: ', '(x+)+: ']": ((2, 19), "can take for ever"),
    "terms = 'x'": ((2, 1), "`terms` must be a table"),
    "[terms]\nbot = '(bot'": ((3, 1), "term bot: '(?:(bot)' is no regular expression"),
    "off = ['telegram/CONFLICT_408']": (
        (2, 8),
        "no rule 'telegram/CONFLICT_408': did you mean 'telegram/CONFLICT",
    ),
    "[[pattern]]\nany = ['boom happened']\nmatch = ['x']": (
        (2, 1),
        "pattern 1: `code` is missing: what it means",
    ),
    "[[pattern]]\ncode = 'DB_LOKED'\nany = ['boom']\nmatch = ['boom']": (
        (3, 1),
        "unknown code 'DB_LOKED': did you mean 'DB_LOCKED'?",
    ),
    "[[pattern]]\ncode = 7\nany = ['boom']\nmatch = ['x']": (
        (3, 1),
        "`code` must be a text in quotes, not a number",
    ),
    "[code.my_code]\nsign = 'bad'": ((2, 1), "'my_code' is not a code: capitals, digits and _"),
    "[code.MY_CODE]\nsing = 'bad'\nsummary = 'x.'\nremediation = ['y.']": (
        (3, 1),
        "unknown key 'sing': did you mean 'sign'?",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nremediation = ['y.']": (
        (2, 1),
        "code MY_CODE: `summary` is missing: what happened",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nsummary.en = 'x.'\nremediation = ['y.']": (
        (4, 1),
        "`summary.ru` is missing",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nsummary = 'x.'\nremediation.ru = ['y.']": (
        (5, 1),
        "`remediation.en` is missing",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nsummary = 'x.'\nremediation = 'y.'": (
        (5, 1),
        "`remediation` must be a list",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nsummary = \"x\\u001b[2J\"\nremediation = ['y.']": (
        (4, 1),
        "control character",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nfatal = true\nsummary = 'x.'\nremediation = ['y.']": (
        (4, 1),
        "with which `exit`",
    ),
    "[code.MY_CODE]\nsign = 'bad'\nalert = 'yes'\nsummary = 'x.'\nremediation = ['y.']": (
        (4, 1),
        "or a table, not a text",
    ),
    "[code.DB_LOCKED]\nfatal = true": ((3, 1), "`fatal` of a code that logrules ships stays as it is"),
    "[code.DB_LOCKED]\nresolve_after = '5 min'": (
        (3, 1),
        "'5 min' is not a duration: write for example '90s'",
    ),
    "[code.DB_LOCKED]\nhow = ['dance']": ((3, 8), "`how`: unknown 'dance'"),
    "[code.DB_LOCKED]\nresolved_by = ['POLING_STARTED']": ((3, 16), "did you mean 'POLLING_STARTED'?"),
    "[code.DB_LOCKED]\nconfirm = { count = 0, within = '5m' }": ((3, 13), "`count` must be at least 1"),
    "[code.DB_LOCKED]\nsummary = 2020-02-01": ((3, 1), "not a date"),
}


@pytest.mark.parametrize(("text", "expected"), TABLES.items(), ids=[key[:40] or "empty" for key in TABLES])
def test_a_fault_of_a_pack(text: str, expected: tuple[tuple[int, int] | None, str]) -> None:
    """Whatever is of the wrong kind, name or place: one fault, where it is, in plain words."""
    place, why = expected
    (said,) = faults(text)

    assert said.startswith(f"my.toml:{place[0]}:{place[1]}: " if place else "my.toml: ")
    assert why in said
    assert "$" not in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is nothing in it. A pack begins with `format = 0`"),
        (PATTERN, "`format` is missing: a pack begins with `format = 0`"),
        (f"format = 1\n{PATTERN}", "my.toml:1:1: `format` must be 0, not 1"),
        (
            f"format = '0'\n{PATTERN}",
            "my.toml:1:1: `format` must be a whole number, without quotes, not a text",
        ),
        (f"format = false\n{PATTERN}", "`format` must be a whole number, without quotes, not true or false"),
    ],
)
def test_the_form_of_packs_is_named(text: str, why: str) -> None:
    """A pack says which form it has; nothing that only looks like 0 is taken for it."""
    with pytest.raises(PackError, match=re.escape(why)):
        load(text, "my.toml")


@pytest.mark.parametrize(
    ("line", "place", "hint"),
    [
        ("any = boom", "2", "texts stand in quotes"),
        ("any = ['boom]", "", "the closing quote is missing"),
        ('any = ["\\d"]', "2", "write it in single quotes"),
        ("any 'boom'", "2", "write `key = value`"),
        ("[code.DB_LOCKED]\n[code.DB_LOCKED]", "3", "the same table stands twice"),
        ("format = 0", "2", "the same key stands twice"),
        ("any = ['a' 'b']", "2", "a comma between two entries"),
        ("a = [", "", "at the end of the file"),
        (f"a = {'1' * 5000}", "", "that number is too long"),
        (f"a = {'[' * 12}{']' * 12}\n[[pattern", "3", "two brackets at each end"),
    ],
)
def test_what_is_no_toml(line: str, place: str, hint: str) -> None:
    """The place where the parser stopped, its words, and what is usually meant."""
    (fault,) = read(f"format = 0\n{line}\n", "my.toml").faults

    assert str(fault).startswith(f"my.toml:{place}:" if place else "my.toml: not valid TOML: ")
    assert hint in fault.text
    assert "line" not in fault.text.split(":")[1]


def test_every_fault_is_told_at_once() -> None:
    """Nobody has to run the check once per mistake; what is sound is kept."""
    bad = "[[pattern]]\ncode = 'DB_LOCKED'\nanny = []\nmatch = ['x']\n"
    pack = read(f"format = 0\n{bad}{PATTERN}{bad}{CODE}", "my.toml")

    assert [(fault.what, fault.place and fault.place.line) for fault in pack.faults] == [
        ("pattern 1 (DB_LOCKED)", 4),
        ("pattern 3 (DB_LOCKED)", 12),
    ]
    assert [pattern.number for pattern in pack.patterns] == [2]
    assert pack.codes.keys() == {"MY_CODE"}


def pattern(expression: str) -> str:
    return f"[[pattern]]\ncode = 'DB_LOCKED'\nany = ['{expression}']\nmatch = ['x']\n"


BOMBS = {
    "dotted keys": "a" + ".a" * 100_000 + " = 1",
    "brackets": "a = " + "[" * 100_000,
    "tables in tables": "a = " + "{a = " * 100_000,
    "a long text": "x" * (LONGEST + 1),
    "quotes": '"' * 400_000,
    "terms of terms": "[terms]\na = 'xxxxxxxxxx'\n"
    + "".join(f"{chr(98 + n)} = '{'{' + chr(97 + n) + '}'}{'{' + chr(97 + n) + '}'}'\n" for n in range(24))
    + pattern("{y} {y}"),
    "an endless expression": pattern("(?:" * 300 + "a" + "*)*" * 300 + "boom"),
    "many headers": "[[pattern]]\n" * 30_000,
    "a term of many terms": f"[terms]\na = '{'x' * 1900}'\n" + pattern("{a}" * 600),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_no_pack_hangs_the_program(text: str) -> None:
    """What is made to keep a parser busy, or to fill the memory, is a fault like any other, at once."""
    started = time.process_time()
    found = faults(text)

    assert found
    assert time.process_time() - started < 20  # it would be hours, or the end of the process
    assert all(len(fault) < 3000 for fault in found)


def test_a_code_of_ones_own() -> None:
    """Sign and texts are enough; one text serves every language; the rest follows the sign."""
    mine = extended({"my.toml": f"format = 0\n{CODE}"})["MY_CODE"].spec

    assert (mine.sign, mine.severity, mine.fatal, mine.alert) == (Sign.BAD, Severity.ERROR, False, None)
    assert mine.summary.en == mine.summary.ru == "It broke."
    assert mine.remediation("ru") == "Mend it."
    assert "MY_CODE" not in rules


OVERRIDE = """format = 0
off = ["discord", "telegram/CONFLICT_409"]
[code.CONFLICT_409]
severity = "error"
alert.repeat = "30m"
summary.en = "Somebody else polls our bot."
remediation.en = ["Call Bob."]
[code.DB_LOCKED]
alert = false
[code.POLLING_START_FAILED.reason.network]
remediation = ["Call Alice."]
[how.stop]
nomad = "`nomad job stop bot`"
"""


def test_what_we_ship_may_be_said_differently() -> None:
    """Severity, alert and texts of our codes, for their reasons too; the rest stays, language by language."""
    theirs = extended({"my.toml": OVERRIDE})
    conflict, ours = theirs["CONFLICT_409"].spec, rules["CONFLICT_409"].spec

    for reason in (None, "other_getupdates", "webhook_active"):
        mine, was = conflict.why(reason), ours.why(reason)
        assert (mine.severity, mine.alert.repeat, mine.alert.level) == (Severity.ERROR, 1800.0, "error")
        assert mine.summary.en == "Somebody else polls our bot."
        assert mine.steps.en == ["Call Bob."]
        assert mine.summary.ru == was.summary.ru
        assert mine.steps.ru == was.steps.ru
        assert mine.alert.title == was.alert.title
        assert mine.exit == was.exit == Exit.TEMPFAIL
    assert theirs["DB_LOCKED"].alert is None
    assert theirs["POLLING_START_FAILED"].why("network").steps == ["Call Alice."]
    assert theirs["POLLING_START_FAILED"].why("conflict").steps != ["Call Alice."]
    assert theirs["DB_LOCKED"].summary == rules["DB_LOCKED"].summary


def test_patterns_of_ours_may_be_switched_off() -> None:
    """By the first parts of a rule's name; everything else is as it was."""
    before = {pattern.rule for pattern in rules.rulebook.patterns}
    after = {pattern.rule for pattern in extended({"my.toml": OVERRIDE}).rulebook.patterns}

    assert before - after == {
        rule for rule in before if rule.startswith(("discord/", "telegram/CONFLICT_409"))
    }
    assert after <= before
    assert any(rule.startswith("discord/") for rule in before)
    assert [is_off("telegram_js/A", [each]) for each in ("telegram", "telegram_js", "telegram_js/A/b")] == [
        False, True, False,
    ]  # fmt: skip


def test_the_pack_in_front_has_the_last_word() -> None:
    """Of two packs that say something of one code, or of one line."""
    first = f"format = 0\n[code.DB_LOCKED]\nseverity = 'debug'\n{PATTERN}"
    last = f"format = 0\n[code.DB_LOCKED]\nseverity = 'info'\nalert = false\n{PATTERN}reason = 'mine'\n"
    theirs = extended({"first.toml": first, "last.toml": last})

    assert (theirs["DB_LOCKED"].severity, theirs["DB_LOCKED"].alert) == (Severity.DEBUG, None)
    assert [pattern.pack for pattern in theirs.rulebook.patterns[:2]] == ["first.toml", "last.toml"]


def test_a_pack_may_use_what_another_brings() -> None:
    """Codes and ways are known to all packs that are used together."""
    other = "format = 0\n[[pattern]]\ncode = 'MY_CODE'\nany = ['boom happened']\nmatch = ['boom happened']\n"

    assert "MY_CODE" in extended({"a.toml": other, "b.toml": f"format = 0\n{CODE}"})
    with pytest.raises(PackError, match=r"a.toml:3:1: pattern 1 \(MY_CODE\): unknown code 'MY_CODE'"):
        extended({"a.toml": other})


def test_faults_are_told_where_a_pack_is_used() -> None:
    """Not only `check` refuses a pack: whoever would use it does, and says how to see every fault."""
    with pytest.raises(
        PackError, match=r"^my\.toml:2:1: unknown key 'patern'.*`logrules check my.toml` shows every"
    ):
        extended({"my.toml": "format = 0\npatern = 1\n"})


def test_windows_line_ends() -> None:
    """CRLF moves no place."""
    text = "format = 0\r\n\r\n[[pattern]]\r\ncode = 'DB_LOCKED'\r\nanny = ['x']\r\nmatch = ['x']\r\n"
    (fault,) = read(text, "my.toml").faults

    assert fault.place == (5, 1)


def test_texts_become_one_remediation() -> None:
    """Steps with numbers where there is more than one, then what not to do, in one line or one a line."""
    table = {"sign": "bad", "summary": "x.", "remediation": ["A.", "B."], "avoid": ["Do not C."]}
    code = codes.built("MY_CODE", codes.over({}, table))
    single = codes.built("MY_CODE", codes.over({}, {**table, "remediation": ["A."]}))

    assert code.remediation("en") == "1) A. 2) B. Do not C."
    assert code.remediation_lines("ru") == "1. A.\n2. B.\nDo not C."
    assert single.remediation("en") == "A. Do not C."
