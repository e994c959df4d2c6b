"""The import law of docs/design.md, held over the source itself."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection

ROOT = Path(__file__).parent.parent
FLOORS = (
    tuple(f"logrules.core.{name}" for name in ("model", "text", "redact", "exits", "faults")),
    ("logrules.core.match", "logrules.core.literals"),
    ("logrules.core.reading",),
    ("logrules.core.ruleset",),
    tuple(f"logrules.core.{name}" for name in ("effects", "event", "frame", "belief", "fatality")),
    tuple(f"logrules.core.{name}" for name in ("engine", "alerting", "guarding", "output")),
    ("logrules.core.export", "logrules.core"),
    ("logrules.testing",),
    ("logrules.packs", "logrules.kept", "logrules.become"),
    ("logrules.documents", "logrules.derived"),
    ("logrules.rules",),
    ("logrules.forks", "logrules.trust", "logrules.unseen"),
    ("logrules.post",),
    (
        "logrules.botapi",
        "logrules.receivers",
        "logrules.renderapi",
        "logrules.settings",
        "logrules.streams",
        "logrules.tracebacks",
        "logrules.userpacks",
    ),
    ("logrules.sources", "logrules.sinks", "logrules.stores", "logrules.guards", "logrules.logs"),
    ("logrules.report", "logrules.alerts"),
    ("logrules.page", "logrules.manual"),
    ("logrules.polling", "logrules.scanning", "logrules.commands"),
    ("logrules.doctor",),
    ("logrules.sidecar",),
    ("logrules",),  # the public names, lazily
    ("logrules.arguments",),
    ("logrules.cli",),
    ("logrules.__main__",),
    ("bot",),
)
"""From the ground up; a module imports only from floors below its own (and its own package)."""
EDGES = ("logrules.sources", "logrules.sinks", "logrules.stores", "logrules.guards")
"""What stands in here, a module or a folder of them, never imports its neighbour."""
THIRD_PARTIES = {
    "asyncpg": ("logrules.guards.postgres", "logrules.stores.postgres"),
    "telegram": ("logrules.guards.ptb", "bot"),
    "anyio": ("logrules.guards.ptb",),
    "sentry_sdk": ("logrules.sinks.sentry", "logrules.unseen"),
    "loguru": ("logrules.logs",),
    "hyperscan": ("logrules.core.literals.scanner",),
    "msgspec": ("logrules.core",),
    "urllib3": ("logrules.botapi", "logrules.post", "logrules.renderapi"),
    "zstandard": ("logrules.scanning.logfiles",),
    "rich": ("logrules.page", "logrules.scanning.summary", "bot.demo"),
}


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    """What there is, by its name."""
    files = [*(ROOT / "logrules").rglob("*.py"), *(ROOT / "bot").rglob("*.py")]
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {
        name.removesuffix(".__init__"): ast.parse(file.read_text("utf-8")) for file, name in names.items()
    }


@pytest.fixture(scope="module")
def imports(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """What each module imports anywhere, lazily or for its types alike."""
    return {name: _imports(tree, modules) for name, tree in modules.items()}


def _imports(tree: ast.Module, modules: Collection[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = ((node.module, f"{node.module}.{alias.name}") for alias in node.names)
            found |= {name if name in modules else module for module, name in names}
    return found


@pytest.fixture(scope="module")
def ours(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Which of our own modules each imports."""
    return {
        module: {name for name in names if name.split(".")[0] in {"logrules", "bot"}}
        for module, names in imports.items()
    }


def _within(module: str, package: str) -> bool:
    return module == package or (package != "logrules" and module.startswith(package + "."))


def _floor(module: str) -> int:
    for floor, packages in enumerate(FLOORS):
        if any(_within(module, package) for package in packages):
            return floor
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS and to docs/design.md")


def _home(module: str) -> list[str]:
    """The folder whose modules may know one another."""
    return module.split(".")[: 1 if module.startswith("bot") else 2]


def _edge(module: str) -> str:
    """Of which edge a module is part."""
    return ".".join(module.split(".")[:3])


def test_imports_run_downward(ours):
    """A module imports only from the floors below it, or from its own folder."""
    upward = [
        f"{module} imports {name}"
        for module in ours.keys() - {"logrules"}
        for name in ours[module]
        if _floor(name) > _floor(module) or (_floor(name) == _floor(module) and _home(name) != _home(module))
    ]

    assert upward == []


def test_edges_do_not_know_one_another(ours):
    """An edge touches the world alone: it imports no other edge."""
    edges = {name: _edge(name) for name in ours if name.startswith(EDGES) and name not in EDGES}
    known = [
        f"{module} imports {name}"
        for module, edge in edges.items()
        for name in ours[module]
        if _edge(name) != edge and name.startswith(EDGES)
    ]

    assert len(set(edges.values())) > 10
    assert known == []


def test_no_circles(ours):
    """No two modules import each other, directly or around."""
    graph = {module: names - {module} for module, names in ours.items()}

    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", THIRD_PARTIES)
def test_each_third_party_has_one_room(package, imports):
    """A library is imported where its subject lives, and nowhere else."""
    users = {module for module, names in imports.items() if package in {i.split(".")[0] for i in names}}

    assert {
        user for user in users if not any(_within(user, room) for room in THIRD_PARTIES[package])
    } == set()


def test_core_touches_nothing(imports):
    """The core imports no module that reads a clock, the environment, a file or a socket."""
    world = {"os", "time", "socket", "asyncio", "subprocess", "pathlib", "sqlite3", "urllib", "random"}
    touching = {
        module: {name.split(".")[0] for name in names - {"urllib.parse"}} & world
        for module, names in imports.items()
        if module.startswith("logrules.core")
    }

    assert {module: names for module, names in touching.items() if names} == {}


def test_a_guarded_bot_starts_light(modules):
    """What recognises logs, and what sends alerts, is imported once it is needed: 100 ms of each start."""
    heavy = {"urllib3", "sentry_sdk", "asyncpg", "rich", "hyperscan"}
    rooms = ("reading.heads", "reading.looks", "literals.search", "ruleset.rulebook", "engine")
    heavy |= {f"logrules.core.{name}" for name in rooms}
    at_once: set[str] = set()
    left = {"logrules.polling.guarded"}
    while left:
        at_once |= left
        bodies = [modules[name].body for name in left if name in modules]
        now = [node for body in bodies for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        left = _imports(ast.Module(list(now), []), modules) - at_once

    assert "logrules.polling.life" in at_once
    assert at_once & heavy == set()


def test_the_lock_goes_by_clocks_that_nobody_sets(modules):
    """A clock that jumps moves no deadline: what guards the lock reads the wall clock for people only."""
    others = {"logrules.guards.ptb"}  # it reads the dates of messages, which are Telegram's
    reach = ("logrules.guards.", "logrules.polling.gate")
    guards = {name for name in modules if name.startswith(reach)} - others
    shown = {"logrules.guards.flock"}  # since when somebody holds the file
    wall = {
        module
        for module in guards
        for node in ast.walk(modules[module])
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "datetime.now"}
    }

    assert len(guards) > 5
    assert wall == shown
