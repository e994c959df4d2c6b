"""What a scan found, for people at a terminal: what happened, when, how often, what to do."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import Progress

from logrules.core.model import Sign
from logrules.core.text import printable
from logrules.page import LOOK, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logrules.core.match import Match
    from logrules.rules import Rule, Rules

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
    "events": {"en": "events: {}, kinds: {}", "ru": "событий: {}, видов: {}"},
}  # fmt: skip


class Seen(NamedTuple):
    """Every event of one code with one reason in one stream."""

    first: Match
    last: Match
    times: int
    fatal: bool


class Summary:
    """Gathers matches, and shows each kind once: those that need somebody first."""

    def __init__(self, redact: Callable[[str], str], known: Rules) -> None:
        self._redact = redact
        self._rules = known
        self.seen: dict[tuple[str, str, str | None], Seen] = {}

    def add(self, match: Match) -> None:
        """One more event."""
        self.meet((match.instance, match.code, match.reason), Seen(match, match, 1, match.fatal))

    def meet(self, key: tuple[str, str, str | None], later: Seen) -> None:
        """Events of one kind, behind all that were seen before."""
        known = self.seen.get(key)
        if known:
            later = Seen(known.first, later.last, known.times + later.times, known.fatal or later.fatal)
        self.seen[key] = later

    def show(self) -> None:
        """Print it."""
        page = Page()
        if not self.seen:
            page.say(self._say("nothing"), indent=0)
            return
        order = list(LOOK)
        for seen in sorted(
            self.seen.values(), key=lambda each: (not each.fatal, order.index(self._rule(each).sign))
        ):
            self._show(seen, page)
        total = sum(seen.times for seen in self.seen.values())
        page.say(self._say("events").format(total, len(self.seen)), indent=0, style="dim")

    def _show(self, seen: Seen, page: Page) -> None:
        rule, first = self._rule(seen), seen.first
        page.title(
            rule.sign,
            rule.code,
            (f" ({first.reason})" if first.reason else "", "not bold"),
            (f"  {self._times(seen)}", "default not bold"),
            (f"  {self._say('fatal')}" if seen.fatal else "", "red not bold"),
        )
        page.line(self._when(seen), style="dim")  # a path is copied whole
        page.say(rule.summary)
        if rule.sign in {Sign.BAD, Sign.WARN}:
            page.quote(f"» {self._redact(first.message)}")
            page.steps(rule.steps, indent=4)
            page.warnings(rule.avoid, indent=4)
            page.line(f"{self._say('more')} logrules explain {rule.code}", style="dim")
        page.blank()

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
        return _SAYS[key][self._rules.lang]


@contextmanager
def bar(size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, gone when it is full."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scan", total=size)
        yield lambda count: progress.advance(task, count)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
