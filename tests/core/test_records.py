"""Where records begin and end, and what they state."""

from __future__ import annotations

import json
import random

import pytest

from logrules.core.engine import classify
from logrules.core.literals.scanner import Literal
from logrules.core.literals.search import Hit, Search
from logrules.core.literals.shelf import Wanted
from logrules.core.model import Form, Origin, Severity
from logrules.core.reading import heads, looks
from logrules.core.reading.drafting import Draft
from logrules.core.reading.looks import REACH, TRACEBACK, Line
from logrules.core.reading.records import Window
from logrules.core.reading.statements import CUT_OFF, INSIDE, Parsed, Statement
from logrules.rules import rulebook

ORIGIN = Origin("bot", "1", "stdout")
MARK = Search([Wanted(((Literal(b"HIT"),),))])


def records(text: str | bytes) -> list[Parsed]:
    """Every record of a text that holds the word HIT."""
    data = text if isinstance(text, bytes) else text.encode()
    window = Window(ORIGIN)
    window.push(data, MARK.scan(data))
    return list(window.take(0.0, final=True))


def stated(text: str) -> list[Statement]:
    """What the records of a text state."""
    return [statement for parsed in records(text) for statement in parsed.statements]


FRAMES = '  File "bot.py", line 1, in main\n    run()\n'

CAUSE = "The above exception was the direct cause of the following exception:"
GROUP = f"""\
  + Exception Group Traceback (most recent call last):
  |   File "bot.py", line 1, in main
  |     run()
  | ExceptionGroup: many (1 sub-exception)
  +-+---------------- 1 ----------------
    | {TRACEBACK}
    |   File "bot.py", line 1, in main
    |     run()
    | A: HIT
    +------------------------------------
"""
JSON = {
    "level": "error",
    "msg": "x",
    "exc_info": f'{TRACEBACK}\n  File "b.py", line 1, in f\n    g()\nA: HIT',
}

MODULE = '  File "bot.py", line 9, in <module>\n    main()\n'
STATEMENTS = {
    "a log line": (
        "2026-01-15 08:29:41,511 - bot - ERROR - HIT\n",
        [(Form.LOG, "HIT", 1)],
    ),
    "a line of its own": ("x\nHIT\n", [(Form.LINE, "HIT", 2)]),
    "a mark in the place of a head": ("x\n❌ HIT\n", [(Form.LINE, "❌ HIT", 2), (Form.LOG, "❌ HIT", 2)]),
    "…not before Markdown": ("❌ **HIT**\n", [(Form.LINE, "❌ **HIT**", 1)]),
    "…nor behind a name": ("alice: ❌ HIT\n", [(Form.LINE, "alice: ❌ HIT", 1)]),
    "an indented line states nothing": ("    HIT\n", []),
    "…unless it names an exception": ("  a.b.CError: HIT\n", [(Form.TRACEBACK, "a.b.CError: HIT", 1)]),
    "an object without a message": ('{"ok":false,"HIT":1}\n', [(Form.LINE, '{"ok":false,"HIT":1}', 1)]),
    "a traceback that is cut off inside a library": (
        f'{TRACEBACK}\n  File "/x/site-packages/httpx/_client.py", line 1, in send\n    HIT\n',
        [(Form.TRACEBACK, f"{INSIDE}httpx/_client.py send", 3), (Form.TRACEBACK, CUT_OFF, 1)],
    ),
    "a line that cannot be a traceback's last": (
        f'{TRACEBACK}\n  File "bot.py", line 1, in main\n    HIT\n>>> HIT\n',
        [(Form.TRACEBACK, CUT_OFF, 1), (Form.LINE, ">>> HIT", 4)],
    ),
    "a traceback that is cut off behind a raise": (
        f"{TRACEBACK}\n  File \"bot.py\", line 1, in main\n    raise A('HIT')\n",
        [(Form.TRACEBACK, "A: HIT", 3), (Form.TRACEBACK, CUT_OFF, 1)],
    ),
    "…and behind one that only names the class": (
        f'{TRACEBACK}\n  File "bot.py", line 1, in main\n    raise HIT from error\n\n',
        [(Form.TRACEBACK, "HIT", 3), (Form.TRACEBACK, CUT_OFF, 1)],
    ),
    "a log line with its traceback": (
        f"x\n2026-01-15 08:29:41,511 - bot - ERROR - boom\n{TRACEBACK}\n{FRAMES}ValueError: HIT\n",
        [(Form.LOG, "boom", 2), (Form.TRACEBACK, "ValueError: HIT", 6), (Form.TRACEBACK, TRACEBACK, 2)],
    ),
    "an information and an uncaught exception after it": (
        f"INFO - HIT\n{TRACEBACK}\n{FRAMES}ValueError: HIT\n",
        [(Form.LOG, "HIT", 1), (Form.TRACEBACK, "ValueError: HIT", 5), (Form.TRACEBACK, TRACEBACK, 2)],
    ),
    "a chain of exceptions": (
        f"{TRACEBACK}\n{FRAMES}A: one\n\n{CAUSE}\n\n{TRACEBACK}\n{FRAMES}B: HIT\nnext\n",
        [(Form.TRACEBACK, "A: one", 4), (Form.TRACEBACK, "B: HIT", 11), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a traceback without its end": (
        f"{TRACEBACK}\n{FRAMES}    HIT\n",
        [(Form.TRACEBACK, CUT_OFF, 1)],
    ),
    "a traceback without its beginning": (
        f"{FRAMES}A: HIT\n",
        [(Form.TRACEBACK, "A: HIT", 3), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a traceback some of whose frames are left out": (
        f"{TRACEBACK}\n  ...\n{FRAMES}    ...\nA: HIT\n",
        [(Form.TRACEBACK, "A: HIT", 6), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a text's traceback, all of its frames left out": (f"{TRACEBACK}\n    ...\nA: HIT\n", []),
    "a traceback without its indentation": (
        f'{TRACEBACK}\nFile "bot.py", line 1, in main\nrun(\nFile "b.py", line 2, in run\nx\nA: HIT\n',
        [(Form.TRACEBACK, "A: HIT", 6), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a traceback in typographic quotation marks, without its indentation, with marks below the code": (
        f"{TRACEBACK}\nFile “bot.py”, line 1, in main\nrun(\n^^^\nFile “b.py”, line 2, in b\nx\n~^\nA: HIT\n",
        [(Form.TRACEBACK, "A: HIT", 8), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "asyncio's context between its words and the traceback": (
        f"Fatal error on SSL transport\nprotocol: <x>\ntransport: <x closing>\n{TRACEBACK}\n{FRAMES}A: HIT\n",
        [
            (Form.LINE, "Fatal error on SSL transport\nprotocol: <x>\ntransport: <x closing>", 1),
            (Form.TRACEBACK, "A: HIT", 7),
            (Form.TRACEBACK, TRACEBACK, 1),
        ],
    ),
    "a traceback in Rich's box": (
        "╭─── Traceback (most recent call last) ───╮\n│ /b.py:1 in main │\n╰────╯\nA: HIT\n",
        [(Form.TRACEBACK, "A: HIT", 4), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a traceback and its exception pasted into one line": (
        f'{TRACEBACK} File "bot.py", line 1, in main run() a.BError: HIT\n',
        [(Form.TRACEBACK, "a.BError: HIT", 1), (Form.TRACEBACK, CUT_OFF, 1)],
    ),
    "a raise and its exception pasted into one line": (
        "raise B(x) a.B: HIT\n",
        [(Form.LINE, "raise B(x) a.B: HIT", 1), (Form.TRACEBACK, "a.B: HIT", 1)],
    ),
    "a traceback whose line ends are written out": (
        f'ERROR - boom {TRACEBACK}\\n  File "bot.py", line 1, in main\\n    run()\\nA: HIT\n',
        [
            (Form.LOG, f'boom {TRACEBACK}\\n  File "bot.py", line 1, in main\\n    run()\\nA: HIT', 1),
            (Form.TRACEBACK, "A: HIT", 1),
            (Form.TRACEBACK, TRACEBACK, 1),
        ],
    ),
    "a future's exception": (
        f"ERROR - lost\nfuture: <Task exception=A('HIT')>\n{TRACEBACK}\n",
        [
            (Form.LOG, "lost\nfuture: <Task exception=A('HIT')>", 1),
            (Form.TRACEBACK, "A: HIT", 2),
            (Form.TRACEBACK, CUT_OFF, 1),
        ],
    ),
    "an exception group": (
        GROUP,
        [
            (Form.TRACEBACK, "ExceptionGroup: many (1 sub-exception)", 4),
            (Form.TRACEBACK, "A: HIT", 9),
            (Form.TRACEBACK, TRACEBACK, 1),
        ],
    ),
    "a Node stack": (
        "Error: HIT\n    at main (/app/bot.js:1:1)\n    at node:internal/main:1:1\nnext\n",
        [(Form.TRACEBACK, "Error: HIT", 1), (Form.TRACEBACK, "at main (/app/bot.js:1:1)", 2)],
    ),
    "a stack under words that name no error": (
        "HIT\n    at main (/app/bot.js:1:1)\n",
        [(Form.TRACEBACK, "HIT", 1)],
    ),
    "an exception under the logged error that it explains": (
        "2026-01-15 08:29:41 ERROR odd\na.b.CException: HIT\n\tat a.B.c(B.java:1)\n",
        [
            (Form.LOG, "odd\na.b.CException: HIT", 1),
            (Form.TRACEBACK, "a.b.CException: HIT", 2),
            (Form.TRACEBACK, "at a.B.c(B.java:1)", 3),
        ],
    ),
    "an exception behind an exception, in one line": (
        "Unhandled Exception: A.BException: x ---> C.DException: HIT\n",
        [
            (Form.LINE, "Unhandled Exception: A.BException: x ---> C.DException: HIT", 1),
            (Form.TRACEBACK, "C.DException: HIT", 1),
        ],
    ),
    "a Java stack and its cause": (
        "java.lang.RuntimeException: x\n\tat a.B.c(B.java:1)\nCaused by: d.E: HIT\n\t... 3 more\n",
        [
            (Form.TRACEBACK, "java.lang.RuntimeException: x", 1),
            (Form.TRACEBACK, "Caused by: d.E: HIT\n... 3 more", 3),
            (Form.TRACEBACK, "at a.B.c(B.java:1)", 2),
        ],
    ),
    "lines with the margin of what is pasted": (
        "  HIT a\n  HIT b\n    c\n\tHIT\n\n\tHIT\n\n  at HIT (b:1:1)\n",
        [(Form.LINE, "  HIT a", 1), (Form.LINE, "  HIT b\nc", 2)],
    ),
    "a log's block with the margin that Markdown gives it": (
        f"    [INFO] a\n    {TRACEBACK}\n      File 'b', line 1\n    A: HIT\n    [ERROR] HIT\n      e\n",
        [
            (Form.TRACEBACK, "A: HIT", 4),
            (Form.TRACEBACK, TRACEBACK, 2),
            (Form.LOG, "HIT\ne", 5),
        ],
    ),
    "a block": (
        "\n    HIT: a\n      x\n\n    ERROR: HIT\nHIT\n",
        [(Form.LINE, "HIT: a\nx", 2), (Form.LOG, "HIT", 5), (Form.LINE, "HIT", 6)],
    ),
    "…, which words alone do not show": ("    HIT\nx\n", []),
    "what a ruler parts": ("==========\n  HIT a\n", [(Form.LINE, "  HIT a", 2)]),
    "wrapped lines": ("Error HIT {\n  a: 1,\n  b: 2\n}\n", [(Form.LINE, "Error HIT {\na: 1,\nb: 2\n}", 1)]),
    "a JSON line": ('{"level": "error", "message": "HIT", "x": 1}\n', [(Form.LOG, "HIT", 1)]),
    "tslog's JSON": (
        '{"0": "{\\"subsystem\\":\\"a\\"}", "1": "HIT", "_meta": {"logLevelName": "ERROR"}}\n',
        [(Form.LOG, "HIT", 1)],
    ),
    "an error under the code that Bun shows": (
        " 9 | // x\n10 |   f(HIT);\n        ^\nAError: HIT\n",
        [(Form.TRACEBACK, "AError: HIT", 4)],
    ),
    "a stack in a JSON line's message": (
        '{"level":"error","message":"AError: HIT\\n    at f (a.js:1:2)\\nCaused by: b.CError: HIT"}\n',
        [
            (Form.LOG, "AError: HIT\n    at f (a.js:1:2)\nCaused by: b.CError: HIT", 1),
            (Form.TRACEBACK, "AError: HIT", 1),
            (Form.TRACEBACK, "Caused by: b.CError: HIT", 1),
            (Form.TRACEBACK, "at f (a.js:1:2)", 1),
        ],
    ),
    "an error in JSON that is an object": (
        '{"level": "error", "message": "a", "exception": {"type": "AError", "message": "HIT"}}\n',
        [(Form.LOG, "a", 1), (Form.TRACEBACK, "AError: HIT", 1)],
    ),
    "…, with its traceback": (
        '{"level": "error", "message": "a", "error": {"stack_trace": "AError: HIT\\n    at f (a.js:1:2)"}}\n',
        [(Form.LOG, "a", 1), (Form.TRACEBACK, "AError: HIT", 1), (Form.TRACEBACK, "at f (a.js:1:2)", 1)],
    ),
    "…, as structlog and AWS Lambda tell it": (
        """{"level": "error", "event": "a", "exception": [{"exc_type": "AError", "exc_value": "HIT"}]}
{"errorMessage": "HIT", "errorType": "BError", "stackTrace": []}
""",
        [(Form.LOG, "a", 1), (Form.TRACEBACK, "AError: HIT", 1), (Form.TRACEBACK, "BError: HIT", 2)],
    ),
    "Google Cloud's JSON": (
        '{"jsonPayload": {"message": "HIT"}, "severity": "ERROR"}\n',
        [(Form.LOG, "HIT", 1)],
    ),
    "a logger's line in a platform's JSON, whose level is not its own": (
        '{"severity": "error", "message": "2026-01-15 08:29:41,511 - bot - INFO - HIT"}\n',
        [(Form.LOG, "HIT", 1)],
    ),
    ".NET's JSON over several lines": (
        '{\n  "EventId": 0,\n  "LogLevel": "Error",\n  "Message": "HIT"\n}\n',
        [(Form.LOG, "HIT", 1)],
    ),
    "slog's error": (
        '2026/01/15 08:29:41 ERROR odd err="a: HIT"\n',
        [(Form.LOG, 'odd err="a: HIT"', 1), (Form.TRACEBACK, "a: HIT", 1)],
    ),
    "structlog's error": (
        "2026-01-15 08:29:41 [error    ] odd    error='HIT' n=1\n",
        [(Form.LOG, "odd    error='HIT' n=1", 1), (Form.TRACEBACK, "HIT", 1)],
    ),
    "…, an exception": (
        "2026-01-15 08:29:41 [error    ] odd    error=Timed('HIT')\n",
        [(Form.LOG, "odd    error=Timed('HIT')", 1), (Form.TRACEBACK, "Timed('HIT')", 1)],
    ),
    "zap's error": (
        '2026-01-15T08:29:41.511Z\tERROR\tbot/main.go:7\todd\t{"error": "HIT"}\n',
        [(Form.LOG, 'odd\t{"error": "HIT"}', 1), (Form.TRACEBACK, "HIT", 1)],
    ),
    "…, of which nobody complains": (
        '2026/01/15 08:29:41 INFO odd err="HIT"\n',
        [(Form.LOG, 'odd err="HIT"', 1)],
    ),
    "a traceback in syslog's one line": (
        f'Jan 15 08:29:41 vps bot: {TRACEBACK}#012  File "b.py", line 1, in f#012    g()#012A: HIT\n',
        [
            (Form.TRACEBACK, "A: HIT", 1),
            (Form.TRACEBACK, TRACEBACK, 1),
            (Form.TRACEBACK, f"{TRACEBACK} (cut off)", 1),
        ],
    ),
    "a JSON object over several lines": (
        '{\n  "level": "error",\n  "msg": "HIT"\n}\n',
        [(Form.LOG, "HIT", 1)],
    ),
    "…, which is no log's": ('{\n  "msg": "HIT"\n}\n', [(Form.LINE, '{\n"msg": "HIT"\n}', 1)]),
    "loguru's traceback, with its gaps": (
        f"{TRACEBACK}\n\n{MODULE}    └ <function main at 0x7>\n\n> {FRAMES.lstrip()}\nA: HIT\n",
        [(Form.TRACEBACK, "A: HIT", 10), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "logfmt that begins with its message": (
        '"cannot poll" error="HIT" n=1\n',
        [(Form.LOG, "cannot poll", 1), (Form.TRACEBACK, "HIT", 1)],
    ),
    "a stack of pino-pretty's": (
        'ERROR: x\n    err: {\n      "stack":\n          Error: HIT\n              at a (b:1:1)\n    }\n',
        [
            (
                Form.LOG,
                'x\nerr: {\n"stack":\nError: HIT',
                1,
            ),
            (Form.TRACEBACK, "Error: HIT", 4),
            (Form.TRACEBACK, "at a (b:1:1)", 5),
        ],
    ),
    "a traceback inside JSON": (
        json.dumps(JSON) + "\n",
        [(Form.LOG, "x", 1), (Form.TRACEBACK, "A: HIT", 1), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a traceback inside JSON, as a list of its lines": (
        json.dumps({**JSON, "exc_info": [f"{each}\n" for each in JSON["exc_info"].splitlines()]}) + "\n",
        [(Form.LOG, "x", 1), (Form.TRACEBACK, "A: HIT", 1), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "a JSON message that is nothing but a traceback": (
        json.dumps({"severity": "ERROR", "message": JSON["exc_info"]}) + "\n",
        [(Form.TRACEBACK, "A: HIT", 1), (Form.TRACEBACK, TRACEBACK, 1)],
    ),
    "logfmt": (
        'time="2026-01-15T08:29:41Z" level=error msg="say \\"HIT\\"" err="d: HIT" n=1\n',
        [(Form.LOG, 'say "HIT"', 1), (Form.TRACEBACK, "d: HIT", 1)],
    ),
    "a traceback each of whose lines has a head, with its cause": (
        "".join(
            f"[2026-01-15 08:29:41] [ERROR] {each}\n"
            for each in [
                TRACEBACK,
                *FRAMES.splitlines(),
                "A: x HIT",
                "During handling of the above exception, another exception occurred:",
                TRACEBACK,
                *MODULE.splitlines(),
                "B: HIT",
                "C: HIT",
            ]
        ),
        [
            (Form.LOG, TRACEBACK, 1),
            (Form.TRACEBACK, "A: x HIT", 4),
            (Form.TRACEBACK, "B: HIT", 9),
            (Form.TRACEBACK, TRACEBACK, 1),
            (Form.LOG, "C: HIT", 10),
        ],
    ),
    "a traceback that is cut off, each line with a head": (
        "".join(
            f"ERROR - {each}\n" for each in [TRACEBACK, *FRAMES.splitlines(), "the next one says HIT"]
        ),
        [(Form.LOG, "the next one says HIT", 4)],
    ),
    "logfmt whose words are its error": (
        'ts=2026-01-15T08:29:41Z level=error err="d: HIT"\n',
        [(Form.TRACEBACK, "d: HIT", 1)],
    ),
    "logfmt without a message": ("level=error HIT\n", [(Form.LINE, "level=error HIT", 1)]),
    "JSON that is none": ("{HIT}\n", [(Form.LINE, "{HIT}", 1)]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_what_a_record_states(text: str, expected: list[tuple[Form, str, int]]) -> None:
    """Words count behind a head, at the end of a traceback or stack and at column 0, and nowhere else."""
    assert stated(text) == expected


ENDS = {
    "the whole traceback of a script": (f"{TRACEBACK}\n{MODULE}{FRAMES}A: HIT\n", True),
    "its last part": (f"{FRAMES}A: HIT\n", False),
    "its first part": (f"{TRACEBACK}\n{MODULE}    HIT\n", False),
    "one that begins in a function": (f"{TRACEBACK}\n{FRAMES}A: HIT\n", False),
    "one under a head": (f"ERROR - boom\n{TRACEBACK}\n{MODULE}A: HIT\n", False),
    "one that asyncio announces": (
        f"Task exception was never retrieved\n{TRACEBACK}\n{MODULE}A: HIT\n",
        False,
    ),
    "one in Rich's box": (
        "╭── Traceback (most recent call last) ──╮\n│ /b.py:1 in <module> │\n╰──╯\nA: HIT\n",
        True,
    ),
    "an error of an emitter's that nobody listens to": (
        "Error [ERR_UNHANDLED_ERROR]: Unhandled error. (HIT)\n    at A.emit (events.js:1:1)\n",
        True,
    ),
    "a log line": ("ERROR - HIT\n", False),
    "one whose frames a console of 80 columns has cut": (
        TRACEBACK
        + f'\n{MODULE}  File "C:\\{"x" * 45}\\a.py", line 7, in run_u\nntil_complete\n    return 1\n'
        + f'  File "C:\\{"x" * 52}\\a.py", line 7, i\nn <module>\n    {"a" * 76}\nb(c)\nA: HIT\n',
        True,
    ),
}


@pytest.mark.parametrize(("text", "uncaught"), ENDS.values(), ids=ENDS.keys())
def test_whether_anybody_caught_the_exception(text: str, uncaught: bool) -> None:
    """A traceback that begins with a module's own frame and stands under nobody's words ends the process."""
    (parsed,) = records(text)

    assert parsed.uncaught is uncaught


PREFIXES = {
    "Render": "2026-01-15T08:29:41.511636313Z ",
    "docker compose": "bot-1  | ",
    "Heroku": "2026-01-15T08:29:41.511636+00:00 app[web.1]: ",
    "Fly.io": "2026-01-15T08:29:41Z app[90802] fra [info] ",
    "journald": "Jan 15 08:29:41 host bot[12]: ",
    "RFC 5424": "<14>1 2026-01-15T08:29:41Z host bot 12 - - ",
    "pm2": "0|bot  | ",
    "foreman": "08:29:41 web.1  | ",
    "CRI": "2026-01-15T08:29:41.511636313Z stderr F ",
    "Render's dashboard": "Jan 15 08:29:41 AM  ",
    "a paste's tab": "\t",
    "…, its columns": "        ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES.keys())
def test_a_transport_prefix_is_seen_through(prefix: str) -> None:
    """What a platform writes before each physical line changes nothing about the record."""
    text = STATEMENTS["a chain of exceptions"][0]
    prefixed = "".join(f"{prefix}{line}\n" for line in text.splitlines())

    assert stated(prefixed) == stated(text)


def test_colours_carriage_returns_and_broken_bytes_are_seen_through() -> None:
    """CRLF and bytes that are no UTF-8 neither split a record nor hide its words."""
    found = records(b"2026-01-15 08:29:41 ERROR \xff HIT\r\n  more\r\nnext\r\n")

    assert [record.record.text for record in found] == ["2026-01-15 08:29:41 ERROR \ufffd HIT\n  more"]


def test_a_record_is_found_from_any_of_its_lines() -> None:
    """What belongs together is the same whether the first of its lines is looked at, or the last."""
    for text in (
        "ERROR - boom Traceback (most recent call last):\nHITError: x\n",
        "> x\nDuring handling of the above exception, another exception occurred:\n> Traceback HIT\n",
        "TypeError: x\n    at f (/app/b.js:1:1)\n}\nNode.js v20.20.2\n",
    ):
        lines = text.encode().splitlines(keepends=True)
        ends = [sum(map(len, lines[: number + 1])) for number in range(len(lines))]
        cut = {record.record.line: record for record in cut_at(text, ends)}
        for number, end in enumerate(ends, 1):
            (alone,) = cut_at(text, [end])
            assert alone.statements == cut[max(line for line in cut if line <= number)].statements


def cut_at(text: str, ends: list[int]) -> list[Parsed]:
    """The records around the lines that end there."""
    window = Window(ORIGIN)
    window.push(text.encode(), [Hit(end, frozenset({0})) for end in ends])
    return list(window.take(0.0, final=True))


HEADS = {
    "2026-01-15 08:29:41,511 - db.pool - WARNING - [-] - words": Severity.WARNING,
    "2017-07-01 23:46:15,169 - ERROR - words": Severity.ERROR,
    "INFO:aiogram.dispatcher:words": Severity.INFO,
    "2026-01-15 08:29:41,511 \u2014 db.pool \u2014 WARNING \u2014 take:68 \u2014 words": Severity.WARNING,
    "ERROR: words": Severity.ERROR,
    "error: words": Severity.ERROR,
    "[2026-01-15 08:29:41] [INFO    ] discord.client: words": Severity.INFO,
    "2026-01-15 08:29:41 ERROR    discord.client words": Severity.ERROR,
    "2026-01-15 08:29:41.123 | INFO     | __main__:main:12 - words": Severity.INFO,
    "08:29:41.123 [main] DEBUG io.example.Elector - words": Severity.DEBUG,
    '2026-01-15 08:29:41,511 (__init__.py:1221 MainThread) ERROR - TeleBot: "words': Severity.ERROR,
    "W, [2026-01-15T08:29:41.123456 #34597]  WARN -- : words": Severity.WARNING,
    "E0115 08:29:41.123456       1 election.go:330] words": Severity.ERROR,
    "[2026-01-15 08:29:41 +0000] [12] [ERROR] words": Severity.ERROR,
    "[2026-01-15 08:29:41,123: ERROR/MainProcess] words": Severity.ERROR,
    "2026-01-15 08:29:41.593 UTC [32] FATAL:  words": Severity.CRITICAL,
    "2026/01/15 08:29:41 words": None,
    "2026-01-15T08:29:41.593Z\terror\tbot/main.go:12\twords": Severity.ERROR,
    "2026-01-15T08:29:41.593+0300\tWARN\twords": Severity.WARNING,
    "8:29AM ERR main.go:12 > words": Severity.ERROR,
    "ERRO[0003] words": Severity.ERROR,
}


@pytest.mark.parametrize(("line", "level"), HEADS.items())
def test_the_heads_of_loggers(line: str, level: Severity | None) -> None:
    """A head is taken off whole, and its level is known."""
    head = heads.head(line)

    assert head
    assert (head.body, head.level) == ("words", level)


@pytest.mark.parametrize(
    "line", ["alice: hello", "Error R14 (Memory quota exceeded)", "user 42 wrote: ERROR x", ""]
)
def test_what_is_no_head(line: str) -> None:
    """A name before a colon, or a level further on, is prose."""
    assert heads.head(line) is None


def test_the_time_of_a_record() -> None:
    """Its own stamp first, then the platform's, then when it was read."""
    own, platform, neither = records(
        "2026-01-15T00:00:00Z 2026-01-15 08:29:41,500 ERROR HIT\n2026-01-15T00:00:01Z HIT\nHIT\n"
    )

    assert own.record.time == 1768465781.5
    assert platform.record.time == 1768435201.0
    assert neither.record.time == 0.0


def test_a_record_is_bounded() -> None:
    """Endless indented lines do not grow one record without end."""
    found = records("ERROR: HIT\n" + "  x HIT\n" * 20_000)

    assert len(found) > 1
    assert max(len(record.record.text) for record in found) <= REACH


def test_the_far_end_of_a_monstrous_line_is_passed_over() -> None:
    """Words beyond 64 KiB of one line are not looked at; the next line is."""
    found = records("x" * (REACH + 10) + "HIT\nHIT\n")

    assert [record.record.line for record in found] == [2]


def test_a_window_forgets() -> None:
    """Memory stays bounded however much is read, and line numbers stay right."""
    window = Window(ORIGIN)
    for _ in range(200):
        window.push(b"x" * 99 + b"\n", [])
        window.push(b"y\n" * 5000, [])
        list(window.take(0.0, final=False))
    window.push(b"HIT\n", MARK.scan(b"HIT\n"))
    (found,) = window.take(0.0, final=True)

    assert found.record.line == 200 * 5001 + 1
    assert sum(map(len, window._parts)) < 4 * REACH


def test_the_cut_of_the_bytes_changes_nothing() -> None:
    """However a stream is cut at its line ends, the same records come out."""
    pieces = [text for text, _ in STATEMENTS.values()]
    dice = random.Random(7)
    for _ in range(60):
        whole = "".join(dice.choices(pieces, k=12)).encode()
        lines = whole.splitlines(keepends=True)
        window = Window(ORIGIN)
        found: list[Parsed] = []
        while lines:
            data = b"".join(lines[: (size := dice.randint(1, 6))])
            del lines[:size]
            window.push(data, MARK.scan(data))
            found += window.take(0.0, final=False)
        found += window.take(0.0, final=True)

        assert found == records(whole)


@pytest.mark.parametrize("command", ["# python3 bot.py", "root@vps:~# python bot.py ", "python3 src/bot.py"])
def test_a_command_may_be_pasted_without_the_end_of_its_line(command: str) -> None:
    """The traceback begins in the same line."""
    text = f"{command}{TRACEBACK}\n{MODULE}EOFError: HIT\n"

    assert Statement(Form.TRACEBACK, "EOFError: HIT", 4) in stated(text)


@pytest.mark.parametrize(
    "prompt", ["Enter phone number or bot token: ", "Please enter your phone (or bot token): "]
)
def test_a_prompt_that_nobody_answers_is_no_part_of_a_traceback(prompt: str) -> None:
    """A client that asks for a number where nobody sits leaves its question on the traceback's first line."""
    text = f"{prompt}{TRACEBACK}\n{MODULE}EOFError: HIT\n"

    assert Statement(Form.TRACEBACK, "EOFError: HIT", 4) in stated(text)


@pytest.mark.parametrize(
    "before", ["An error occurred: ", "❌ Ошибка: ", "Failed to start - ", "Exception in bot: ", "⚠️ "]
)
def test_a_complaint_may_stand_before_the_traceback_that_it_prints(before: str) -> None:
    """`print(f"An error occurred: {traceback.format_exc()}")`; somebody's name is no complaint."""
    report = 'Traceback (most recent call last):\n  File "/app/bot.py", line 7, in run\n    go()\n'
    text = f"{report}psycopg2.OperationalError: server closed the connection unexpectedly\n"

    assert [match.code for match in classify(rulebook(), before + text)] == ["DB_CONNECTION_LOST"]
    assert not list(classify(rulebook(), f"alice: {text}"))


def test_a_traceback_behind_markdowns_quotation_marks_is_one_record() -> None:
    """What people paste as a quotation is read as it was printed; words alone stay a quotation."""
    block = f"> {TRACEBACK}\n>   File 'bot.py', line 1, in <module>\n>     run()\n> A: HIT\n".replace(
        "'", '"'
    )

    assert "A: HIT" in [each.text for each in stated(block)]
    assert "A: HIT" in [each.text for each in stated(f"{block.replace('HIT', 'x')}>\n> {CAUSE}\n>\n{block}")]
    assert [each.text for each in stated("> A: HIT\n")] == ["> A: HIT"]


@pytest.mark.parametrize("mark", ["> ", ">"])
def test_a_quotation_of_many_lines_is_read_as_it_was_printed(mark: str) -> None:
    """Markdown's mark before each of them moves them all; one phrase alone may be a mention."""
    said = ["error: HIT", "    at a (b.js:1:2)", "", "Error HIT"]
    block = "".join(f"{mark}{each}".rstrip() + "\n" for each in said)
    statements = [(each.form, each.text) for each in stated(block)]

    assert (Form.LOG, "HIT") in statements
    assert (Form.LINE, "Error HIT") in statements
    assert [each.text for each in stated(f"{mark}Error HIT\n\nIs this known?\n")] == [f"{mark}Error HIT"]
    assert [each.text for each in stated(f"hello\n{mark}Error HIT\n{mark}x\n")] == [f"{mark}Error HIT"]


def test_rubys_traceback_ends_with_the_class_before_its_words() -> None:
    """Its frames count down, and irb's last line has the words in brackets."""
    (record,) = records(f"{TRACEBACK}\n\t1: from bot.rb:5:in `<main>'\nTelegram::Error (HIT)\n")

    assert next(each.text for each in record.statements) == "Telegram::Error (HIT)"


def test_a_traceback_behind_a_farewell_stands_for_itself() -> None:
    """A library that says goodbye does not speak of the exception that is printed after it."""
    (record,) = records(f"WARNING:aiogram:Goodbye!\n{TRACEBACK}\n{FRAMES}A: HIT\n")

    assert record.record.text.startswith(TRACEBACK)


def test_a_line_whose_form_says_that_it_stands_alone_takes_no_other() -> None:
    """What is known of two forms is what comes of reading the two lines."""
    every = [line for pattern in rulebook().patterns for text in pattern.match for line in text.splitlines()]
    dice = random.Random(7)
    said = [f"2026-01-15 08:29:41,511 - bot - ERROR - {line}" for line in dice.sample(every, 200)]
    every = [f"{line}\n" for line in [*said, *dice.sample(every, 200)]]
    looks._forms.clear()  # what other tests have left there would go, when it is full, amid ours
    for _ in range(3):  # a form is known from the second time on
        lines = [Line(line.encode(), 0, len(line.encode())) for line in every]
    alone = [(first, after) for first in lines for after in lines if first.stands_alone(after)]

    assert len([after for _, after in alone if after.head is None]) > 1000
    assert [(a.text, b.text) for a, b in alone if Draft(a).takes(b)] == []
