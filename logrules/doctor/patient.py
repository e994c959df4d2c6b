"""What is examined: an environment, as far as it makes sense."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logrules import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from logrules.core.model import ConfigError
    from logrules.settings import Settings

STEP = 4.0
"""Seconds for one question to the network."""
BUDGET = 13.5
"""Seconds in which questions may begin, those of all checks side by side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """An environment, and how long to wait for what it names.

    Attributes:
        environ: Names and values.
        read: The settings that are well formed.
        faults: What is wrong with the others.
        tokens: By the names of the variables, in the order in which they count.
        step: Seconds for one question to the network.
        until: On time.monotonic(): when the last question may begin.
    """

    environ: Mapping[str, str] = field(repr=False)
    read: Settings
    faults: tuple[ConfigError, ...]
    tokens: Mapping[str, str] = field(repr=False)
    step: float = STEP
    until: float = field(default_factory=lambda: time.monotonic() + BUDGET)

    @classmethod
    def of(cls, environ: Mapping[str, str], **limits: float) -> Patient:
        """The patient that this environment is."""
        read, faults = settings.lenient(environ)
        return cls(environ=environ, read=read, faults=tuple(faults), tokens=_tokens(environ), **limits)

    @property
    def token(self) -> tuple[str, str] | None:
        """The bot's token, after the name of the variable that it stands in."""
        return next(iter(self.tokens.items()), None)

    @property
    def left(self) -> float:
        """Seconds for one more question: a step, or what is left of all."""
        return max(0.1, min(self.step, self.until - time.monotonic()))


def _tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """What our own variables hold; else whatever has the form of a token, since a bot may read any name."""
    ours = settings.TOKENS
    if any(environ.get(name, "").strip() for name in ours):
        return {name: environ[name] for name in ours if settings.is_token(environ.get(name, ""))}
    return settings.tokens(environ)
