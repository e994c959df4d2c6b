"""How the stacks of Node, Java, Go, Rust and .NET look, and which words say that the process ends with them.

Node shows the place, the line and a caret before an error that nobody caught, and its version behind it.
"""

from __future__ import annotations

import re

_FRAME = re.compile(r"at (?:async |new )?[\w$.<>\[\]/@:#-]+")
_CAUSE = re.compile(
    r"(?:Caused by: |\[?cause\]?: |Suppressed: |---> "
    r"|(?:error:|<rejected>) (?:\{ \[)?(?=(?:[A-Z]\w*)?Error: ))"
)
_INNER = re.compile(r" ---> (?=[A-Za-z_][\w.]{1,120}(?:Exception|Error): )")
_ERROR = re.compile(
    r"(?:(?:[a-z]\w{0,40}\.){1,8}[A-Z][\w$]{0,80}(?:Error|Exception)(?:: |$)"
    r"|(?:[A-Z]\w{0,60})?(?:Error|Exception)(?: ?\[\w{1,60}\])?: \S"
    r"|(?:[A-Z]\w{0,40}[.\\]{1,2}){1,8}\w{0,80}(?:Exception|Error)(?: \(\w{1,12}\))? {0,2}: \S)"
)
_QUALIFIED = re.compile(r"(?:[a-z]\w{0,40}\.){2,8}[A-Z][\w$]{0,80}(?:Error|Exception)(?:: |$)")
_ENTRY = re.compile(r"['\"],$|^[\w.]{1,200}: (?:If|When|Whenever|Raised|In case) ")
_UNHEARD = "Emitted 'error' event "
_NAME = re.compile(
    r"(?:Error|Exception)\b|\bCannot (?:read|set|convert|destructure|access) "
    r"|\bis not (?:a function|a constructor|defined|iterable)"
)
"""An error's class, or what Node says of its own errors."""
_PLACE = re.compile(r"(?:[A-Za-z]:\\|file://|node:|[\w./@~-])[^\n:]{0,300}:\d{1,6}$")
_EXCERPT = re.compile(r" {0,5}\d{1,6} \|(?: |$)")
_OUTERMOST = re.compile(
    r"\bObject\.<anonymous> \(|\bModule(?:Job|Loader)?\.|\bClient\.login "
    r"|[( ](?:node:)?internal/(?:main|modules|bootstrap)|\.<?[Mm]ain>?\$?[\w.]*\([A-Z\w[]"
)
_ANONYMOUS = re.compile(r"at (?:async )?file:///")
_CARET = re.compile(r"\s*\^+$")
_ARROW = re.compile(r" {0,3}→ {1,4}\d{1,6} ")
_VERSION = re.compile(r"(?:Node\.js v\d+\.\d+\.\d+|Bun v\d+\.\d+\.\d+ \([^)\n]{1,60}\))$")
_GOES_ON = re.compile(
    r"at [^\n]{1,300}(?::\d+:\d+\)?|\(<anonymous>\)|\([A-Z]\w+\.java:\d+\))$|Emitted 'error' event on "
    r"|--- (?:await|End of )|\(Use `node --trace-|Require stack:$|- [\w./~-]{1,300}\.[cm]?[jt]sx?$"
    r"|Instead (?:change|rename) |require\(\) of |called `(?:Result|Option)::|note: run with `RUST_BACKTRACE"
    r"|goroutine \d+ \[|\[signal (?:SIG|\dx)|stack backtrace:$|CloseCode[\[(]"
)
_OF_GO = re.compile(
    r"(?:[\w.%@~-]{1,80}/){0,9}[\w%-]{1,80}(?:\.\(\*?\w{1,80}\))?(?:\.[\w\u00b7]{1,80}){1,4}"
    r"\((?:0x[0-9a-f]|\.\.\.|\{0x|\)$)|created by [\w.%/()*\u00b7-]{1,200}(?: in goroutine \d+)?$"
)
_LAST_WORDS = re.compile(
    r"panic: |goroutine \d+ \[running\]:$|thread 'main' (?:\(\d+\) )?panicked at |Unhandled [Ee]xception[.:] "
    r"|Exception in thread \"main\" "
    r"|Error(?: \[ERR_UNHANDLED_ERROR\])?: (?:Unhandled error\. \(|Uncaught, unspecified \"error\")"
)
_RUBY = re.compile(r"\S{1,240}\.rb:\d{1,6}:in [`'][^'\n]{1,80}': [^\n]{1,600} \([A-Z]\w*(?:::\w+)*\)$")
"""What Ruby prints of an exception that nobody caught: its class stands last."""
LONGEST = 4096
"""Characters of a line that are searched for an inner exception."""
_ANNOUNCED = re.compile(
    r"thread '[^'\n]{1,40}' (?:\(\d+\) )?panicked at [^\n]{1,300}:\d+:\d+:$"
    r"|[^\n]{0,80}\b(?:GenServer|Task|Process|Agent|State machine) \S{1,120}"
    r"(?: started from \S{1,120})? terminating$"
)


def is_frame(words: str) -> bool:
    """Whether a line names a call of a stack."""
    return bool(_FRAME.match(words))


def is_outermost(words: str) -> bool:
    """Whether a frame is a program's own start, as in what ends it."""
    return bool(_OUTERMOST.search(words[:LONGEST]))


def is_anonymous(words: str) -> bool:
    """Whether a frame names a module of Node's and no function: its own code, if nothing called it."""
    return bool(_ANONYMOUS.match(words))


def is_cause(words: str) -> bool:
    """Whether a line within a stack names the error behind the error."""
    return bool(_CAUSE.match(words))


def is_unheard(words: str) -> bool:
    """Whether a line says that nobody listened to an event that told of an error."""
    return words.startswith(_UNHEARD)


def inner(words: str) -> str | None:
    """The exception behind the exception, where .NET tells both in one line."""
    found = list(_INNER.finditer(words[:LONGEST]))
    return words[found[-1].end() :] if found else None


def is_error(words: str) -> bool:
    """Whether a line begins with an error's class, and is no entry of a table or of a manual."""
    return bool(_ERROR.match(words)) and not _ENTRY.search(words)


def is_qualified(words: str) -> bool:
    """Whether a line begins with an error's class and the packages that it is in."""
    return bool(_QUALIFIED.match(words))


def names_error(text: str) -> bool:
    """Whether a line names an error's class anywhere."""
    return bool(_NAME.search(text[:LONGEST]))


def is_place(text: str) -> bool:
    """Whether a line is nothing but a file and the number of a line in it."""
    return bool(_PLACE.match(text))


def is_excerpt(text: str) -> bool:
    """Whether a line is numbered code, as Bun shows it above a caret and the error."""
    return bool(_EXCERPT.match(text))


def is_caret(text: str) -> bool:
    """Whether a line points at the code above it."""
    return bool(_CARET.match(text))


def is_arrow(text: str) -> bool:
    """Whether a line is the code that failed, as Prisma shows it before its words."""
    return bool(_ARROW.match(text))


def is_version(text: str) -> bool:
    """Whether a line is what Node and Bun print last of all."""
    return bool(_VERSION.match(text))


def goes_on(text: str) -> bool:
    """Whether a line without indentation belongs to the stack before it."""
    return bool(_GOES_ON.match(text))


def is_goroutine(text: str) -> bool:
    """Whether a line begins Go's stack, below what it says of a panic."""
    return text.startswith("goroutine ")


def is_of_go(text: str) -> bool:
    """Whether a line names a call of Go's, which stands at the beginning of its line."""
    return bool(_OF_GO.match(text))


def is_last_word(text: str) -> bool:
    """Whether a line says that the process ends with what follows."""
    return bool(_LAST_WORDS.match(text)) or (".rb:" in text and bool(_RUBY.match(text)))


def is_announced(text: str) -> bool:
    """Whether a line says where Rust panicked, or which Elixir process ended; the next says why."""
    return bool(_ANNOUNCED.match(text))
