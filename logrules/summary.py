"""What a scan found, for people at a terminal: what happened, when, how often, what to do."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress
from rich.text import Text

from logrules.core.model import Sign
from logrules.core.text import printable
from logrules.rules import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logrules.core.model import Match
    from logrules.rules import Rule

_LOOK = {
    Sign.BAD: ("✖", "bold red"),
    Sign.WARN: ("!", "bold yellow"),
    Sign.INFO: ("i", "cyan"),
    Sign.GOOD: ("✔", "green"),
}
_SAYS = {
    "once": {"en": "once", "ru": "один раз"},
    "times": {"en": "{} times", "ru": "раз: {}"},
    "line": {"en": "line", "ru": "строка"},
    "lines": {"en": "lines", "ru": "строки"},
    "fatal": {"en": "does not heal by itself", "ru": "само не пройдёт"},
    "more": {"en": "More:", "ru": "Подробнее:"},
    "nothing": {
        "en": "Nothing in here that logrules knows. `logrules codes` lists what it does know.",
        "ru": "Ничего знакомого logrules здесь нет. Что ему знакомо: `logrules codes`.",
    },
    "events": {"en": "{} events of {} kinds", "ru": "событий: {}, видов: {}"},
}  # fmt: skip


class Seen(NamedTuple):
    """Every event of one code with one reason in one stream."""

    first: Match
    last: Match
    times: int
    fatal: bool


class Summary:
    """Gathers matches, and shows each kind once: those that need somebody first."""

    def __init__(self, redact: Callable[[str], str], lang: str) -> None:
        self._redact = redact
        self._rules = rules.speak(lang)
        self._lang = lang
        self._seen: dict[tuple[str, str, str | None], Seen] = {}

    def add(self, match: Match) -> None:
        """One more event."""
        key = match.instance, match.code, match.reason
        known = self._seen.get(key)
        if known:
            fatal = known.fatal or match.fatal
            self._seen[key] = known._replace(last=match, times=known.times + 1, fatal=fatal)
        else:
            self._seen[key] = Seen(match, match, 1, match.fatal)

    def show(self) -> None:
        """Print it."""
        console = Console(highlight=False)
        if not self._seen:
            console.print(self._say("nothing"))
            return
        order = list(_LOOK)
        for seen in sorted(
            self._seen.values(), key=lambda each: (not each.fatal, order.index(self._rule(each).sign))
        ):
            self._show(seen, console)
        total = sum(seen.times for seen in self._seen.values())
        console.print(self._say("events").format(total, len(self._seen)), style="dim")

    def _show(self, seen: Seen, console: Console) -> None:
        rule, first = self._rule(seen), seen.first
        mark, style = _LOOK[rule.sign]
        title = Text(f"{mark} {rule.code}", style=style)
        title.append(f" ({first.reason})" if first.reason else "", style="not bold")
        title.append(f"  {self._times(seen)}", style="default not bold")
        title.append(f"  {self._say('fatal')}" if seen.fatal else "", style="red not bold")
        console.print(title)
        console.print(Text(f"  {self._when(seen)}", style="dim"), soft_wrap=True)  # a path is copied whole
        console.print(Padding(Text(rule.summary), (0, 0, 0, 2)))
        if rule.sign in {Sign.BAD, Sign.WARN}:
            console.print(
                Padding(Text(f"» {printable(self._redact(first.message))}", style="dim"), (0, 0, 0, 2))
            )
            for number, step in enumerate(rule.steps, 1):
                console.print(Padding(Text(f"{number}. {step}"), (0, 0, 0, 4)))
            console.print(Text(f"  {self._say('more')} logrules explain {rule.code}", style="dim"))
        console.print()

    def _rule(self, seen: Seen) -> Rule:
        return self._rules[seen.first.code].why(seen.first.reason)

    def _times(self, seen: Seen) -> str:
        return self._say("once") if seen.times == 1 else self._say("times").format(seen.times)

    def _when(self, seen: Seen) -> str:
        first, last = seen.first, seen.last
        where = printable(first.instance)
        if seen.times == 1:
            return f"{where}, {self._say('line')} {first.line}, {_moment(first.time)}"
        lines = f"{self._say('lines')} {first.line}…{last.line}"
        return f"{where}, {lines}, {_moment(first.time)} … {_moment(last.time)}"

    def _say(self, key: str) -> str:
        return _SAYS[key][self._lang]


@contextmanager
def bar(path: str, size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, gone when it is full."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(path), total=size)
        yield lambda count: progress.advance(task, count)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
