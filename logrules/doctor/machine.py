"""The machine that the bot runs on: its disk, and what is installed."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from logrules import settings
from logrules.core.text import platform_name
from logrules.doctor.finding import found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.doctor.finding import Finding
    from logrules.doctor.patient import Patient

LEAST = 50
"""Megabytes: what logs, packages and a database's journal may need at once."""
SHOWN = ("logrules", "python-telegram-bot", "asyncpg", "sentry-sdk")
ASKED = ("logrules", "python-telegram-bot")
"""Whose requirements are compared with what is installed."""
GUARD_NEEDS = "20.8"
"""Of python-telegram-bot: from there on its updater's bot can be replaced."""
_MEMORY = frozenset({"tmpfs", "ramfs"})
_SPECIFIER = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?")


def disk(patient: Patient) -> Iterator[Finding]:
    """Can incidents and unsent alerts be kept, and will they be there after the next deploy?"""
    path = patient.read.state
    if path is None:
        if patient.read.state_url is None:
            yield found("disk.memory")
        return
    there = next(each for each in path.absolute().parents if each.exists())
    if not os.access(path if path.exists() else there, os.W_OK) or not there.is_dir():
        yield found("disk.unwritable", path=str(path))
        return
    space = os.statvfs(there)
    if not space.f_blocks:  # such as /proc, where a superuser may write nothing either
        yield found("disk.unwritable", path=str(path))
        return
    free = space.f_bavail * space.f_frsize >> 20
    if free < LEAST or (space.f_files and not space.f_favail):
        yield found("disk.full", path=str(path), free=free)
        return
    where = settings.platform(patient.environ)
    if where is None or patient.read.state_url is not None or _is_mounted(there):
        yield found("disk.ok", path=str(path), free=free)
    else:
        yield found("disk.thrown_away", path=str(path), platform=platform_name(where, "en"))


def _is_mounted(folder: Path) -> bool:
    """Whether it lies on a disk of its own, which a container's files do not."""
    mount = next((each for each in (folder, *folder.parents) if each.is_mount()), Path("/"))
    if mount == Path("/"):
        return False
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return True
    return not any(at == str(mount) and kind in _MEMORY for _, at, kind, *_ in mounts)


def versions(_patient: Patient) -> Iterator[Finding]:
    """Does what is installed fit together?"""
    python = ".".join(map(str, sys.version_info[:3]))
    has = {name: version for name in SHOWN if (version := _version(name))}
    wrong = [found("versions.unfit", **each) for each in unfit(has, _requirements())]
    if _version("telegram"):
        wrong.append(found("versions.shadowed"))
    if not wrong:
        listed = [f"Python {python}", *(f"{name} {version}" for name, version in has.items())]
        yield found("versions.ok", versions=", ".join(listed))
    yield from wrong


def unfit(has: dict[str, str], required: list[tuple[str, str, str]]) -> Iterator[dict[str, str]]:
    """What is installed in a version that does not do.

    Args:
        has: The versions of packages, by name.
        required: Who needs which version of what: name, what, specifier.
    """
    ptb = "python-telegram-bot"
    if ptb in has and not fits(has[ptb], f">={GUARD_NEEDS}"):
        yield {"who": "guard()", "what": ptb, "needed": f">={GUARD_NEEDS}", "version": has[ptb]}
    for who, what, needed in required:
        version = has.get(what) or _version(what)
        if version and not fits(version, needed):
            yield {"who": who, "what": what, "needed": needed, "version": version}


def _requirements() -> list[tuple[str, str, str]]:
    """What our own packages ask for on every platform."""
    found_: list[tuple[str, str, str]] = []
    for name in ASKED:
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for each in asked:
            what = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*\Z", each)
            if what and what[2].strip():
                found_.append((name, what[1].lower(), what[2].strip()))
    return found_


def fits(version: str, specifier: str) -> bool:
    """Whether a version is one of those: https://packaging.python.org/specifications/version-specifiers/."""
    return all(
        _holds(_numbers(version), operator, _numbers(wanted), any_patch=bool(star))
        for operator, wanted, star in _SPECIFIER.findall(specifier)
    )


def _holds(has: list[int], operator: str, wanted: list[int], *, any_patch: bool) -> bool:
    size = max(len(has), len(wanted))
    a, b = (each + [0] * (size - len(each)) for each in (has, wanted))
    same = a == b or (any_patch and has[: len(wanted)] == wanted)
    return {
        "==": same,
        "!=": not same,
        "<": a < b,
        "<=": a <= b,
        ">": a > b,
        ">=": a >= b,
        "~=": a >= b and has[: len(wanted) - 1] == wanted[:-1],
    }[operator]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part]  # type: ignore[index]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
