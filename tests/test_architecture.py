"""The import law of docs/design.md, held over the source itself."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = (
    ("logrules.core",),
    ("logrules.testing",),
    ("logrules.packs", "logrules.derived"),
    ("logrules.rules",),
    ("logrules.trust", "logrules.unseen"),
    ("logrules.post",),
    (
        "logrules.botapi",
        "logrules.loops",
        "logrules.receivers",
        "logrules.settings",
        "logrules.streams",
        "logrules.tracebacks",
        "logrules.userpacks",
    ),
    ("logrules.sources", "logrules.sinks", "logrules.stores", "logrules.guards", "logrules.logs"),
    ("logrules.report", "logrules.alerts"),
    ("logrules.gate", "logrules.onfatal"),
    ("logrules.page",),
    ("logrules.summary", "logrules.check"),
    ("logrules.scan", "logrules.explain", "logrules.export", "logrules.newrule"),
    ("logrules.life", "logrules.oncall"),
    ("logrules.status",),
    ("logrules.sidecar", "logrules.guarded"),
    ("logrules",),  # the public names, lazily
    ("logrules.cli",),
    ("logrules.__main__",),
    ("bot",),
)
"""From the ground up; a module imports only from floors below its own (and its own package)."""
EDGES = ("logrules.sources", "logrules.sinks", "logrules.stores", "logrules.guards")
"""Modules in here never import one another, not even within one folder."""
THIRD_PARTIES = {
    "asyncpg": ("logrules.guards.postgres", "logrules.stores.postgres"),
    "telegram": ("logrules.guards.ptb", "bot"),
    "sentry_sdk": ("logrules.sinks.sentry", "logrules.unseen"),
    "loguru": ("logrules.logs",),
    "hyperscan": ("logrules.core.scanner",),
    "msgspec": ("logrules.core",),
    "urllib3": ("logrules.botapi", "logrules.post"),
    "rich": ("logrules.page", "logrules.summary", "bot.demo"),
}


def _modules() -> dict[str, ast.Module]:
    files = [*(ROOT / "logrules").rglob("*.py"), *(ROOT / "bot").rglob("*.py")]
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {
        name.removesuffix(".__init__"): ast.parse(file.read_text("utf-8")) for file, name in names.items()
    }


MODULES = _modules()


def _imports(tree: ast.Module) -> set[str]:
    """Everything imported anywhere in a file, lazily or for its types alike."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in MODULES else node.module
                for a in node.names
            }
    return found


def _ours(module: str) -> set[str]:
    return {name for name in _imports(MODULES[module]) if name.split(".")[0] in {"logrules", "bot"}}


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


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"logrules"}))
def test_imports_run_downward(module):
    """A module imports only from the floors below it, or from its own folder."""
    upward = {
        name
        for name in _ours(module)
        if _floor(name) > _floor(module) or (_floor(name) == _floor(module) and _home(name) != _home(module))
    }

    assert upward == set()


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith(EDGES)))
def test_edges_do_not_know_one_another(module):
    """An edge touches the world alone: it imports no other edge."""
    others = {name for name in _ours(module) if name.startswith(EDGES) and name != module and name in MODULES}

    assert {name for name in others if MODULES[name].body[1:]} == set()


def test_no_circles():
    """No two modules import each other, directly or around."""
    graph = {module: {name for name in _ours(module) if name != module} for module in MODULES}

    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", THIRD_PARTIES)
def test_each_third_party_has_one_room(package):
    """A library is imported where its subject lives, and nowhere else."""
    users = {
        module for module, tree in MODULES.items() if package in {i.split(".")[0] for i in _imports(tree)}
    }

    assert {
        user for user in users if not any(_within(user, room) for room in THIRD_PARTIES[package])
    } == set()


def test_core_touches_nothing():
    """The core imports no module that reads a clock, the environment, a file or a socket."""
    world = {"os", "time", "socket", "asyncio", "subprocess", "pathlib", "sqlite3", "urllib", "random"}
    touching = {
        module: {name.split(".")[0] for name in _imports(tree) - {"urllib.parse"}} & world
        for module, tree in MODULES.items()
        if module.startswith("logrules.core")
    }

    assert {module: names for module, names in touching.items() if names} == {}


def test_the_lock_goes_by_clocks_that_nobody_sets():
    """A clock that jumps moves no deadline: what guards the lock reads the wall clock for people only."""
    others = {"logrules.guards.ptb"}  # it reads the dates of messages, which are Telegram's
    guards = {name for name in MODULES if name.startswith(("logrules.guards.", "logrules.gate"))} - others
    shown = {"logrules.guards.flock"}  # since when somebody holds the file
    wall = {
        module
        for module in guards
        for node in ast.walk(MODULES[module])
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "datetime.now"}
    }

    assert len(guards) > 5
    assert wall == shown
