"""The package as people get it: wheel and sdist, an environment of its own, a bot in another one."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.requirements import Requirement

import logrules

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CONFLICT = "telegram.error.Conflict: Conflict: terminated by other getUpdates request"
BUILD = (
    "import sys, hatchling.build as b; print(*(getattr(b, f'build_{k}')(sys.argv[1]) for k in sys.argv[2:]))"
)
BOT = f"""
import importlib.util, sys
print(sys.prefix, importlib.util.find_spec("logrules"), flush=True)
print("{CONFLICT}", file=sys.stderr, flush=True)
sys.exit(3)
"""


class Package(NamedTuple):
    """What was built, from the tree and once more from the sdist."""

    sdist: Path
    wheel: Path
    again: Path


def _built(source: Path, target: Path, *kinds: str) -> list[Path]:
    command = [sys.executable, "-c", BUILD, str(target), *kinds]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    return [target / name for name in done.stdout.split()]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Both distributions, built as any frontend has them built."""
    folder = tmp_path_factory.mktemp("dist")
    sdist, wheel = _built(ROOT, folder, "sdist", "wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    return Package(sdist, wheel, *_built(source, folder / "again", "wheel"))


def _closure(names: Iterator[Requirement], seen: set[str]) -> Iterator[importlib.metadata.Distribution]:
    """The distributions that are required here, and what those require."""
    for each in names:
        if each.name not in seen and (not each.marker or each.marker.evaluate({"extra": ""})):
            seen.add(each.name)
            found = importlib.metadata.distribution(each.name)
            yield found
            yield from _closure(map(Requirement, found.requires or []), seen)


@pytest.fixture(scope="module")
def clean(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what the wheel says that it requires, and nothing besides."""
    home = tmp_path_factory.mktemp("pipx")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    install = ["install", "--no-deps", "--no-index", "--no-compile", str(package.wheel)]
    subprocess.run([*pip, *install], check=True)
    (site,) = (home / "venv/lib").glob("python*/site-packages")
    for each in _closure(_required(package.wheel), set()):
        tops = {file.parts[0] for file in each.files or [] if file.parts[0] not in {"..", "__pycache__"}}
        for top in tops:
            (site / top).symlink_to(Path(str(each.locate_file(top))).resolve())
    (home / "bin").mkdir()
    (home / "bin/logrules").symlink_to(home / "venv/bin/logrules")  # as pipx shows its programs
    return home


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def _required(wheel: Path) -> Iterator[Requirement]:
    return map(Requirement, HeaderParser().parsestr(_metadata(wheel)).get_all("Requires-Dist", []))


def _contents(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_wheel_and_sdist(package: Package) -> None:
    """The wheel holds the package with its packs and types, and no more; out of the sdist comes the same."""
    contents = _contents(package.wheel)
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "logrules").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with tarfile.open(package.sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}

    assert {name for name in contents if ".dist-info/" not in name} == here | {
        f"logrules/packs/derived/{name}" for name in ("codes", "literals", "packs")
    }
    assert here >= {"logrules/py.typed", "logrules/packs/codes.toml"}
    assert _contents(package.again) == contents
    assert sources >= {
        "tests/test_package.py",
        "CONTRIBUTING.md",
        "hatch_build.py",
        "docs/homes.md",
        "bot/app.py",
        "Makefile",
        "Dockerfile",
        "render.yaml",
        "LICENSE",
    }
    assert package.wheel.stat().st_size < 1_750_000


def test_an_installed_one_derives_nothing(clean: Path, tmp_path: Path) -> None:
    """What its packs say and need came with the wheel; a pack of the user's own is derived once."""
    own = (
        "format = 0\n[[pattern]]\ncode = 'DB_LOCKED'\nany = ['the till is shut']\n"
        "match = ['the till is shut']\n"
    )
    (tmp_path / "logrules.toml").write_text(own)
    counted = """
import sys, tomllib
from logrules.core.ruleset import needs
derived, whole = [], needs.needs
needs.needs = lambda texts: derived.extend(texts) or whole(texts)
loads = tomllib.loads
tomllib.loads = lambda text: derived.append(len(text)) or loads(text)
from logrules.cli import main
assert main(["scan", "--json", "-"]) == 0
print(derived)
"""
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LOGRULES_STATE": ":memory:"}
    told = {}
    for name, more in {"ours": {"LOGRULES_PACKS": "none"}, "theirs": {}, "again": {}}.items():
        done = subprocess.run(
            [clean / "venv/bin/python", "-c", counted],
            input=f"{CONFLICT}\nthe till is shut\n",
            env={**environ, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        *events, derived = done.stdout.splitlines()
        told[name] = ([json.loads(event)["code"] for event in events], derived)

    assert told == {
        "ours": (["CONFLICT_409"], "[]"),
        "theirs": (["CONFLICT_409", "DB_LOCKED"], f"[{len(own)}, 'the till is shut']"),
        "again": (["CONFLICT_409", "DB_LOCKED"], f"[{len(own)}]"),
    }


def test_metadata(package: Package) -> None:
    """Who installs reads what it is and what it needs: python-telegram-bot is an extra, no requirement."""
    text = _metadata(package.wheel)
    fields = HeaderParser().parsestr(text)
    required = list(_required(package.wheel))
    extras = set(fields.get_all("Provides-Extra", []))

    assert (fields["Name"], fields["Version"]) == ("logrules", logrules.__version__)
    assert (fields["License-Expression"], fields["Requires-Python"]) == ("MIT", ">=3.11")
    assert fields["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in fields.get_all("Classifier", [])
    assert extras == {"telegram", "zstd", "demo", "test"}
    assert {each.name for each in required if each.marker is None} == {
        "asyncpg", "certifi", "loguru", "msgspec", "rich", "sentry-sdk", "urllib3",
    }  # fmt: skip
    telegram = {
        (str(each.specifier), each.marker is None) for each in required if "telegram-bot" in each.name
    }
    assert telegram == {(">=20.8", False)}


def test_a_program_of_its_own_beside_a_bot_of_another_environment(clean: Path, tmp_path: Path) -> None:
    """As pipx lays it out: no python-telegram-bot near, every command works, and `run` has the bot's Python.

    The bot's environment is not ours: it finds its own modules, and none of the program's.
    """
    theirs = tmp_path / "theirs"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", theirs], check=True)
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "bot.log").write_text(f"{CONFLICT}\n")
    environ = {
        "PATH": f"{theirs / 'bin'}:{clean / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
        "PYTHONWARNINGS": "error",
    }

    def told(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["logrules", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    absent = subprocess.run(
        [clean / "venv/bin/python", "-c", "import telegram"], capture_output=True, check=False
    )
    ran = told("run", "--", "python", "bot.py")
    events = [line for line in ran.stderr.splitlines() if line.startswith("{")]

    assert b"ModuleNotFoundError" in absent.stderr
    assert told("--version").stdout == f"logrules {logrules.__version__}\n"
    assert '"code":"CONFLICT_409"' in told("scan", "bot.log").stdout
    assert re.search("(?m)^✖ CONFLICT_409$", told("explain", "CONFLICT_409").stdout)
    assert "complete -F _logrules logrules" in told("completion", "bash").stdout
    assert (ran.returncode, ran.stdout) == (3, f"{theirs} None\n")
    assert any('"code":"CONFLICT_409"' in event for event in events), ran.stderr
    assert "Traceback" not in ran.stderr
