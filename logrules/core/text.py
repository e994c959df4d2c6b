"""Text on its way to a human being."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = r"`([^`]+)`"
_COMMAND = (  # compiled when it is first used: what language is spoken, every start asks
    r"(?:sudo )?(?:alembic|apt-get|awk|cat|curl|date|df|dmesg|docker|du|echo|export|fly|free|fuser|getent"
    r"|git|grep|heroku|journalctl|kill|kubectl|logrules|ls|lsof|nc|npm|openssl|pg_dump|pg_isready|pip|printenv|ps"
    r"|psql|python|railway|render|sqlite3|ss|systemctl|tail|timedatectl)\b"
    r"|(?:ALTER|CREATE|PRAGMA|SELECT|SHOW)\b"
)
"""How the commands of our texts begin."""


class Part(NamedTuple):
    """A piece of a sentence: words, or something to be typed."""

    text: str
    is_command: bool
    """To be copied as it stands, as a line of its own."""


def language(environ: Mapping[str, str]) -> str:
    """`ru` or `en`, from LOGRULES_LANG, else LANG."""
    wanted = environ.get("LOGRULES_LANG") or environ.get("LANG") or ""
    return "ru" if wanted.lower().startswith("ru") else "en"


def printable(text: str) -> str:
    """`text` without anything that a terminal would act upon."""
    return "".join(char if char.isprintable() else " " for char in text)


def runbook(pages: str | None, code: str, lang: str) -> str:
    """The address of the page on `code`, of `pages` with {code} and {lang} in it; empty without one."""
    return (pages or "").replace("{code}", code).replace("{lang}", lang)


def is_command(quoted: str) -> bool:
    """Whether what stands between backticks is to be typed: a shell's command, or SQL."""
    return " " in quoted and bool(re.match(_COMMAND, quoted))


def parts(sentence: str) -> list[Part]:
    """A sentence in pieces: the commands in it, and the words before and after each."""
    found: list[Part] = []
    at = 0
    for quoted in re.finditer(_QUOTED, sentence):
        if is_command(quoted[1]):
            found += _said(sentence[at : quoted.start()], first=not at)
            found.append(Part(quoted[1], is_command=True))
            at = quoted.end()
    return [*found, *_said(sentence[at:], first=not at)]


def _said(text: str, *, first: bool) -> list[Part]:
    """Words, without what only joined them to the command before them."""
    words = text.strip() if first else text.lstrip(" .;,").rstrip()
    return [Part(words, is_command=False)] if words else []


PLATFORMS: dict[str, str | dict[str, str]] = {
    "render": "Render",
    "railway": "Railway",
    "fly": "Fly.io",
    "heroku": "Heroku",
    "docker": "Docker",
    "kubernetes": "Kubernetes",
    "systemd": "systemd",
    "local": {"en": "Your machine", "ru": "Своя машина"},
}


def platform_name(platform: str, lang: str) -> str:
    """What people call it."""
    known = PLATFORMS.get(platform) or platform.replace("_", " ").capitalize()
    return known if isinstance(known, str) else known[lang]


_UNITS = {"en": ("d", "h", "min", "s"), "ru": ("д", "ч", "мин", "с")}
_SECONDS = (86400, 3600, 60, 1)


def span(seconds: float, lang: str) -> str:
    """A duration as people say it: its two largest units."""
    left, said = max(0, int(seconds)), list[str]()
    for unit, size in zip(_UNITS[lang], _SECONDS, strict=True):
        count, left = divmod(left, size)
        if count or (unit == _UNITS[lang][-1] and not said):
            said.append(f"{count} {unit}")
    return " ".join(said[:2])
