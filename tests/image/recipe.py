"""A Dockerfile read as an engine reads it, as far as ours needs: stages, steps, what the context holds."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Step(NamedTuple):
    """One instruction."""

    word: str
    rest: str

    @property
    def form(self) -> list[str] | None:
        """The arguments of an exec form; None for a shell's."""
        return json.loads(self.rest) if self.rest.startswith("[") else None


class Stage(NamedTuple):
    """From one FROM to the next."""

    name: str
    base: str
    steps: list[Step]

    def all(self, word: str) -> list[str]:
        """What follows each `word`."""
        return [step.rest for step in self.steps if step.word == word]


def instructions(text: str) -> list[Step]:
    """A Dockerfile's instructions, continued lines joined, comments left out."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    parts = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [Step(word.upper(), rest.strip()) for word, _, rest in parts]


def stages(text: str) -> list[Stage]:
    """A Dockerfile's stages, in their order."""
    found: list[Stage] = []
    for step in instructions(text):
        if step.word == "FROM":
            base, _, name = step.rest.partition(" AS ")
            found.append(Stage(name or str(len(found)), base, []))
        else:
            found[-1].steps.append(step)
    return found


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps `path` out of the build: the last line that matches decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.lstrip("!").removeprefix("**/")
        if line and not line.startswith("#") and any(fnmatch.fnmatch(p, pattern) for p in path.split("/")):
            out = not line.startswith("!")
    return out


def context() -> list[str]:
    """The files that a build is sent: all that are here and not ignored."""
    names = (
        path.relative_to(ROOT) for top in ROOT.iterdir() if not ignored(top.name) for path in _files(top)
    )
    return [name.as_posix() for name in names if not ignored(name.as_posix())]


def _files(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if path.is_file()] if top.is_dir() else [top]
