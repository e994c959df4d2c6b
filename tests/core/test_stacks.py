"""What belongs to the stack of an error in Node, Go, Java and Rust, and which of them end a process."""

from __future__ import annotations

import pytest

from logrules.core.literals.scanner import Literal
from logrules.core.literals.search import Search
from logrules.core.literals.shelf import Wanted
from logrules.core.model import Form, Origin
from logrules.core.reading.records import Window
from logrules.core.reading.statements import Parsed

ORIGIN = Origin("bot", "1", "stderr")
MARK = Search([Wanted(((Literal(b"HIT"),),))])

CRASH = """\
/app/bot.js:3
const a = HIT ;
          ^

SyntaxError: HIT
    at wrapSafe (node:internal/modules/cjs/loader:1464:18)
    at node:internal/main/run_main_module:28:49 {
  code: 'X',
  [cause]: Error: HIT behind it
      at f (/app/bot.js:1:1)
}

Node.js v20.20.2
"""


def records(text: str) -> list[Parsed]:
    """Every record of a text that holds the word HIT."""
    window = Window(ORIGIN)
    window.push(text.encode(), MARK.scan(text.encode()))
    return list(window.take(0.0, final=True))


def test_a_crash_of_node_is_one_record() -> None:
    """The code above an error, its stack, its cause and Node's version are one record that ends it."""
    (record,) = records(CRASH)

    assert record.uncaught
    assert [(each.form, each.text.split("\n")[0], each.line) for each in record.statements[-3:]] == [
        (Form.TRACEBACK, "SyntaxError: HIT", 5),
        (Form.TRACEBACK, "[cause]: Error: HIT behind it", 9),
        (Form.TRACEBACK, record.statements[-1].text, 6),
    ]


def test_code_without_indentation_is_no_statement() -> None:
    """What Node shows of the program's text counts no more than a quotation."""
    (record,) = records("/app/bot.js:1\nthrow 'HIT'\n^\nHIT\n(Use `node --trace-uncaught ...`)\n")

    assert [each.text.split("\n")[0] for each in record.statements if each.form is Form.TRACEBACK] == ["HIT"]


def test_a_stack_that_was_printed_ends_nothing() -> None:
    """An error without the code above it and the version behind it may have been caught."""
    (record,) = records("TypeError: HIT\n    at f (/app/bot.js:1:1)\n")

    assert not record.uncaught


@pytest.mark.parametrize(
    "text",
    [
        "panic: HIT\n\ngoroutine 1 [running]:\nmain.main()\n",
        "thread 'main' panicked at src/main.rs:5:10:\ncalled `Result::unwrap()` on an `Err` value: HIT\n",
        'Exception in thread "main" java.lang.HIT: x\n\tat Bot.main(Bot.java:3)\n',
        "Unhandled exception. System.HIT: x\n   at Bot.Main() in /app/Bot.cs:line 3\n",
    ],
)
def test_last_words(text: str) -> None:
    """Go, Rust, Java and .NET say so when an error ends the process."""
    assert [record.uncaught for record in records(text)] == [True]


def test_frames_pasted_without_their_indentation_belong_to_the_error() -> None:
    """People lose the white space before `at`."""
    (record,) = records("Error: HIT\nat f (/app/bot.js:1:1)\nat process.g (next_tick.js:68:7)\nbye\n")

    assert record.record.text.count("\n") == 2
