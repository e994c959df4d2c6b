r"""How a Python traceback looks: its frames, its last line, and who says that it comes.

Also as people paste it: without its indentation, in one line, in a box of Rich's, with `\n` for line ends.
"""

from __future__ import annotations

import re

HEAD = "Traceback (most recent call last):"
_FRAME = r"[> ]*File [\"“][^\"“”\n]+[\"”], line \d+"
_BEGINS = re.compile(
    rf"(?:Exception Group )?Traceback \(most recent call last\):|{_FRAME}"
    r"|[╭┌]─+ Traceback \(most recent call[^\n]{0,12}─+"
    r"|(?:Trace|Exception|Stack ?trace|Error|[Ll]ogs?|Output|Console): Traceback \(most recent call last\):"
    # `print(f"An error occurred: {traceback.format_exc()}")`: a complaint, which is nobody's name
    r"|(?:[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f? {0,2})?(?:[^\W\d_][\w-]{0,20} ){0,4}"
    r"(?i:error|exception|failed|failure|crash|crashed|ошибка|исключение|сбой|erro|fehler|erreur)"
    r"(?: [\w-]{1,20}){0,4}(?: ?:| -) ?Traceback \(most recent call last\):"
    r"|[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f? {0,2}Traceback \(most recent call last\):"
    # A command, pasted without the end of its line.
    r"|(?:[\w@:~/.\[\]-]{0,60} ?[#$%>] ?)?(?:python[\d.]{0,4}|py) [\w./\\-]{1,100}\.py ?"
    r"Traceback \(most recent call"
    # What asks for a number, a code or a session, and found nobody there: its line has no end.
    r"|(?:(?:Please )?[Ee]nter|Введите|Input)(?: [\w()/]{1,20}){1,8}[:?] ?Traceback \(most recent call last"
)
_WRAPPED = re.compile(rf"\s*+{_FRAME}, in \S+$")
"""A frame, put together again where a terminal has cut it."""
_WIDTHS = (79, 80, 119, 120)
"""Columns of a Windows console, of which what is copied has a line's end at each."""
_CHAIN = re.compile(
    r"The above exception was the direct|During handling of the above exception|[+-]{0,9}-{4}[-+ \d]*$"
)
_POINTS = re.compile(r"[ ~]*\^[~^ ]*$")
_LAST = re.compile(r"[A-Za-z_][\w.<>]*(?:\[\w+\])? ?(?:: |:?$)|(?:[A-Z]\w*::)*[A-Z]\w* \([^\n]*\)$")
_CLASS = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:: |:?$)")
_PLACE = re.compile(
    rf"\s*+(?:Traceback \(most recent call last\):\s++)?{_FRAME}(?P<file>,? in ?[<>\w]*)?"
    r"|│ \S[^\n]{0,300}:\d+ in (?P<box>\S+)"
)
_MODULES = ("", "<module>", "_run_module_as_main")
_CAUGHT = re.compile(
    r"(?:Task|Future) exception was never retrieved|Exception in (?:callback|thread) |Exception ignored in: "
    r"|Ignoring exception in |Unhandled exception (?:in|on|while) |No error handlers are registered"
    r"|(?:Cause exception|An? \w* ?(?:exception|error) was raised|Exception) while "
    r"|Exception in ASGI application|Error while getting Updates"
    r"|Fatal (?:\w+ )?error on \w{1,10} ?transport|SSL (?:handshake failed|error in data received)"
)
_PASTED = re.compile(
    rf"raise [\w.]+[( ]|{_FRAME},? in|Traceback \(most recent call last\):\s+\S"
    r"|(?:/|[A-Za-z]:\\)[^\s:]{1,300}\.[cm]?[jt]s:\d{1,6} [^\n]{0,600}? \^{1,80} "  # Node's
)
_RAISED = re.compile(
    r"\s(?=(?:(?:[A-Za-z_]\w*\.)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Conflict|Response"
    r"|RetryAfter|TimedOut|Timeout|BadRequest|Unauthorized|Forbidden|InvalidToken|NotFound|Wait)): \S)"
)
_FUTURE = re.compile(
    r"(?:future|task): <.{1,1000} exception=(\w+)"
    r"\((?:-?\d{1,6}, )?[\"'](.*)[\"'](?:,|, None, -?\d{1,6}, None)?\)>"
)
_ESCAPED = re.compile(
    r"Traceback \(most recent call last\):(\\r\\n|\\{1,2}n|(?:#\d{3}){1,2}|[\u21b5\u23ce]|<br ?/?>) *File "
)
"""…in one line, with what stands for its line ends: Python, syslog, a browser's console, HTML."""
_RAISE = re.compile(
    r"raise ([A-Za-z_][\w.]*)(?:\((?:\s*([\"'])([^\"'{}\n]{3,400})\2\s*\)|[^\n]{0,400}))?(?: from \w+)?$"
)
_FAREWELL = re.compile(r"Goodbye!$|Polling is stopped\.$|(?:Bot|Polling|Application) (?:is )?stopped[.!]?$")
_COMPLAINT = re.compile(
    r"(?i:error|exception|fail|traceback|crash|unhandled|uncaught|could ?n[o']t|cannot|unable|went wrong|oops"
    r"|warn|ошибк|не удалось|исключени|сбой|错误|失败|异常|出错|报错|erro|fehler|erreur|hata|gagal)|:$"
)
_LIBRARY = re.compile(r"File \"[^\"\n]{0,300}?-packages[/\\]([^\"\n]+)\", line \d+, in (\S+)")
_QUALIFIED = re.compile(r"(?:[a-z_]\w*\.)+[A-Z]\w*: \S")
_BOX = "│╰└"
_QUOTE = "> "
LONGEST = 4096
"""Characters of a line that are searched for an exception's name."""


def begins(words: str) -> bool:
    """Whether a line opens a traceback or is one of its frames."""
    return bool(_BEGINS.match(words))


def chains(words: str) -> bool:
    """Whether a line says that another traceback follows."""
    return bool(_CHAIN.match(words))


def is_frame(words: str) -> bool:
    """Whether a line names a file rather than opening a traceback."""
    return words.startswith(("File", ">"))


def is_file(words: str) -> bool:
    """Whether a line is a frame as Python prints it."""
    return words.startswith('File "') and begins(words)


def may_end(words: str) -> bool:
    """Whether a line can be a traceback's last: a name, and a colon or nothing behind it."""
    return bool(_LAST.match(words))


def is_wrapped(text: str, rest: str) -> bool:
    """Whether a line is the rest of the frame, or of its code, that a console's edge has cut."""
    if len(text) not in _WIDTHS or not text.startswith(" ") or not rest or rest[0] in " \t":
        return False
    if begins(text.lstrip()):
        return bool(_WRAPPED.match(text + rest)) and not names_class(rest)
    return not may_end(rest) and not begins(rest)


def points(text: str) -> bool:
    """Whether a line is nothing but Python's marks below the code that failed."""
    return bool(_POINTS.match(text))


def names_class(words: str) -> bool:
    """Whether a line begins with an exception's class, as code does not."""
    return bool(_CLASS.match(words))


def is_qualified(words: str) -> bool:
    """Whether a line begins with an exception's class and its module: no prose and no code does."""
    return bool(_QUALIFIED.match(words))


def is_boxed(words: str) -> bool:
    """Whether a line is inside the box that Rich draws."""
    return words[:1] in _BOX


def outermost(text: str) -> bool | None:
    """Whether a frame is a module's own, whose exception nobody has caught; None if it is no frame."""
    found = _PLACE.match(text)
    if not found:
        return None
    return (found["box"] or (found["file"] or "").lstrip(",").removeprefix(" in").strip()) in _MODULES


def is_caught(text: str) -> bool:
    """Whether a line is how a library announces a traceback that it has caught, without a logger's head."""
    return bool(_CAUGHT.match(text))


def pasted(text: str) -> str | None:
    """The exception that one line holds: of a traceback, or its `raise`, pasted together, or of a future."""
    if future := _FUTURE.match(text[:LONGEST]):
        return f"{future[1]}: {future[2]}"
    if not _PASTED.match(text):
        return None
    found = list(_RAISED.finditer(text[:LONGEST]))
    return text[found[-1].end() :] if found else None


def raised(text: str) -> str | None:
    """The exception that a `raise` names, as a traceback's last line would say it; None if there is none."""
    found = _RAISE.match(text)
    if not found:
        return None
    return f"{found[1]}: {found[3]}" if found[3] else found[1]


def unquoted(text: str) -> str | None:
    """A traceback's last line without Markdown's mark of a quotation; None if it is none."""
    words = text.removeprefix(_QUOTE)
    return words if text.startswith(_QUOTE) and names_class(words) else None


def is_quoted(text: str) -> bool:
    """Whether a traceback's first line stands behind Markdown's mark of a quotation, and nothing else."""
    return text == f"{_QUOTE}{HEAD}"


def is_farewell(words: str) -> bool:
    """Whether a logger's words say that a program ends; a traceback after them is not what they speak of."""
    return bool(_FAREWELL.match(words))


def is_complaint(words: str) -> bool:
    """Whether a logger's words, which no level explains, say that something is wrong."""
    return not words or bool(_COMPLAINT.search(words[:LONGEST]))


def library(text: str) -> str | None:
    """The file and function of a library that a frame stands in, as in `httpx/_client.py send`."""
    found = _LIBRARY.match(text)
    return f"{found[1]} {found[2]}".replace("\\", "/") if found else None


def unescaped(text: str) -> str | None:
    r"""A traceback whose line ends are written as `\n` or `#012`, as lines; None if `text` holds none."""
    found = _ESCAPED.search(text[:LONGEST])
    return text[found.start() :].replace(found[1], "\n").replace('\\"', '"') if found else None
