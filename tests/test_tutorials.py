"""The pages that people type after: every command is run at a terminal, and says what the page says."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:Save \w+|Сохраните \w+) (?:as|как) `([\w.]+)`")
MARK = "\x01"
"""Between what one command prints and the next one."""


def _steps(page: str) -> tuple[dict[int, tuple[str, str]], list[tuple[int, str, str]]]:
    """Files by the place where they are saved, and commands with their place and what they print."""
    files, commands, before = {}, [], 0
    for block in BLOCK.finditer(page):
        said = page[before : block.start()]
        before = block.end()
        if block[1] == "console":
            for command in re.split(r"^\$ ", block[2], flags=re.MULTILINE)[1:]:
                line, _, shown = command.partition("\n")
                commands.append((block.start(), line, shown))
        elif named := FILE.findall(said.rpartition("\n\n")[2]):
            files[block.start()] = (named[-1], block[2])
    return files, commands


def _typed(page: str, folder: Path, lang: str) -> list[str]:
    """What each command of the page prints at a terminal of 100 columns."""
    files, commands = _steps(page)
    script, todo = [], dict(files)
    for at, line, _ in commands:
        for place in [place for place in todo if place < at]:
            name, body = todo.pop(place)
            (folder / f".{place}").write_text(body)
            script.append(f"cp .{place} {name}")
        script += [f"printf '{MARK}'", line]
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "TERM": "xterm",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "LOGRULES_LANG": lang,
        "TZ": "UTC",
    }
    ours, theirs = pty.openpty()
    (folder / ".script").write_text("\n".join(script) + "\n")
    shell = subprocess.Popen(
        ["bash", ".script"], cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = b""
    while chunk := _read(ours):
        printed += chunk
    shell.wait()
    os.close(ours)
    return re.sub(r" *\r\n", "\n", printed.decode()).split(MARK)[1:]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # everybody on the other side has gone
        return b""


def _like(shown: str) -> re.Pattern[str]:
    """What a page shows, in which an ellipsis stands for anything."""
    return re.compile(r".*?".join(map(re.escape, shown.strip().split("…"))), re.DOTALL)


@pytest.mark.long
@pytest.mark.parametrize("name", ["tutorial", "rules"])
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_page_shows_what_its_commands_print(name: str, lang: str, tmp_path: Path) -> None:
    """Run one after the other, as somebody types them, the commands print what stands below them."""
    file = DOCS / (f"{name}.md" if lang == "en" else f"{name}.ru.md")
    page = file.read_text("utf-8")
    printed = _typed(page, tmp_path, lang)
    if os.environ.get("WRITE_TUTORIALS"):
        file.write_text(_shown(page, printed), "utf-8")
        return

    assert printed
    for (_, command, shown), out in zip(_steps(page)[1], printed, strict=True):
        assert _like(shown).fullmatch(out.strip()), f"$ {command}\n{out}"


def _shown(page: str, printed: list[str]) -> str:
    """The page with what its commands have printed, for somebody to put ellipses into."""
    told = iter(printed)

    def block(found: re.Match[str]) -> str:
        if found[1] != "console":
            return found[0]
        lines = re.findall(r"^\$ .*$", found[2], re.MULTILINE)
        return "\n".join(["```console", *(f"{line}\n{next(told).strip()}".strip() for line in lines), "```"])

    return BLOCK.sub(block, page)


@pytest.mark.parametrize("name", ["tutorial", "rules"])
def test_both_languages_do_the_same(name: str) -> None:
    """The same files, the same commands, in the same order."""
    pages = [(DOCS / f"{name}{lang}.md").read_text("utf-8") for lang in ("", ".ru")]
    en, ru = ([line for _, line, _ in _steps(page)[1]] for page in pages)

    assert len(en) > 2
    assert en == ru
