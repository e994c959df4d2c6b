"""What the documents say is true: generated blocks, links, commands, settings and exit statuses."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import runpy
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest

from logrules.core import exports
from logrules.core.event import Event
from logrules.core.lease import TABLE, Timers
from logrules.core.model import Exit
from logrules.rules import rules
from logrules.sidecar import options

ROOT = Path(__file__).parent.parent
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}
DOCUMENTS = [*READMES.values(), ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INTERNAL = {"LOGRULES_EVENT_FD", "LOGRULES_LOCK_HELD"}
"""Read by the program, set by nobody: how `logrules run` reaches a guarded child."""


def _rewritten(text: str, lang: str) -> str:
    made: str = runpy.run_path(str(ROOT / "docs" / "generate.py"))["rewritten"](text, lang)
    return made


def _text(lang: str) -> str:
    return READMES[lang].read_text("utf-8")


def _prose(text: str) -> str:
    """A document without its fenced blocks and inline code, where brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def _anchors(document: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("lang", READMES)
def test_generated_blocks_are_current(lang: str) -> None:
    """What the README says about codes is what the packs say; else run `python docs/generate.py`."""
    text = _text(lang)

    assert text.count("<!-- generated: ") == text.count("<!-- end -->") == 2
    assert _rewritten(text, lang) == text


def test_scrubbing_is_described_as_it_is() -> None:
    """What people are to paste into Sentry is what is exported; else run `python docs/generate.py`."""
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")

    assert _rewritten(text, "en") == text
    assert all(f"`{rule['pattern']}`" in text for rule in exports.RULES.values())


def test_lock_is_described_as_it_is() -> None:
    """The lock's diagram, table and timers are those of the code; else run `python docs/generate.py`."""
    text = (ROOT / "docs" / "lock.md").read_text("utf-8")
    arrows = re.findall(r"^    (\w+) --> (\w+): (.*)$", text, re.MULTILINE)
    drawn = {(a, event.split(" / ")[0], b) for a, b, events in arrows for event in events.split("<br>")}

    assert _rewritten(text, "en") == text
    assert text.count("<!-- generated: ") == 3
    assert drawn == {(state.name, event, step.state.name) for (state, event), step in TABLE.items()}
    assert all(f"`{step.code}`" in text for step in TABLE.values() if step.code)
    assert all(f"| {field.name} | {field.default:g} |" in text for field in fields(Timers))


@pytest.mark.parametrize("lang", READMES)
def test_findings_are_described_as_they_are(lang: str) -> None:
    """The doctor's table is that of says.toml, its page what it prints; else run docs/generate.py."""
    text = (ROOT / "docs" / f"doctor{'' if lang == 'en' else '.ru'}.md").read_text("utf-8")

    assert text.count("<!-- generated: findings -->") == 1
    assert _rewritten(text, lang) == text


@pytest.mark.parametrize("lang", READMES)
def test_every_code_stands_in_the_table(lang: str) -> None:
    """Each code has exactly one row, with its exit status where it ends the bot."""
    rows = re.findall(r"^\| \S+ \| `([A-Z0-9_]+)` \| [^|]+ \| (\d*) \|", _text(lang), re.MULTILINE)
    expected = {code: str(int(rule.exit)) if rule.fatal and rule.exit else "" for code, rule in rules.items()}

    assert len(rows) == len(rules)
    assert dict(rows) == expected


@pytest.mark.parametrize("lang", READMES)
def test_shown_event_is_an_event(lang: str) -> None:
    """The README's JSON line has the keys of an event in their order, and its code's remediation."""
    (line,) = [json.loads(body) for kind, body in FENCE.findall(_text(lang)) if kind == "json"]
    keys = [key for key in Event.__struct_fields__ if key in line]
    spec = rules[line["code"]].spec.why(line["reason"])

    assert list(line) == keys
    assert line["remediation"] == spec.remediation(lang)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_resolve(document: Path) -> None:
    """Every link leads to a file or a heading that is there, or to the web by HTTPS."""
    broken = []
    for target in LINK.findall(_prose(document.read_text("utf-8"))):
        path, _, anchor = unquote(target).partition("#")
        file = (document.parent / path).resolve() if path else document
        if re.match(r"[a-z]+:", target):
            broken += [target] * (not target.startswith("https://"))
        elif not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


def test_both_readmes_say_the_same() -> None:
    """Both languages have the same sections, commands, links, settings and statuses, in one order."""

    def shape(lang: str) -> tuple[object, ...]:
        text = _text(lang)
        code = [re.sub(r"\s*#.*", "", body) for kind, body in FENCE.findall(text) if kind in {"sh", "python"}]
        names = re.findall(r"^\| (`[^|]+`|\d+) \|", text, re.MULTILINE)
        links = [link for link in LINK.findall(_prose(text)) if not link.startswith("README")]
        return len(re.findall(r"^## ", text, re.MULTILINE)), code, names, links

    assert shape("en") == shape("ru")


def test_commands_exist() -> None:
    """Every `logrules COMMAND` of the README is a command that explains itself."""
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", _text("en")))
    fenced = [body for kind, body in FENCE.findall(_text("en")) if kind == "sh"]
    commands = set(re.findall(r"\blogrules ([a-z][a-z-]*)", "\n".join([*inline, *fenced])))

    assert commands >= {"run", "scan", "explain", "codes", "check"}
    for command in sorted(commands):
        helped = subprocess.run(
            [sys.executable, "-m", "logrules", command, "--help"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (helped.returncode, command in helped.stdout) == (0, True), helped.stderr


@pytest.mark.parametrize("page", ["run.md", "run.ru.md"])
def test_every_option_of_run_has_its_row(page: str) -> None:
    """Both pages on the sidecar name each option that its parser knows, and no other."""
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    known = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    told = re.findall(r"^\| `(--[a-z-]+)", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)

    assert set(told) == known - {"--help"} | {"--pack"}
    assert len(told) == len(set(told))


def test_make_targets_exist() -> None:
    """Every `make TARGET` of the README is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^make (\w+)", _text("en"), re.MULTILINE))

    assert named == {"demo", "test"}
    assert named <= targets


def test_python_examples_import() -> None:
    """Every name that the README imports from logrules is there to be imported."""
    code = [body for kind, body in FENCE.findall(_text("en")) if kind == "python"]
    code += re.findall(r"`(from logrules[^`]+)`", _text("en"))
    imports = [
        (node.module, alias.name)
        for body in code
        for node in ast.walk(ast.parse(body))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("logrules")
        for alias in node.names
    ]

    assert imports
    for module, name in imports:
        assert hasattr(importlib.import_module(module), name), (module, name)


@pytest.mark.parametrize("lang", READMES)
def test_settings_are_those_that_are_read(lang: str) -> None:
    """The table of settings names every LOGRULES_* variable that the program reads, and no other."""
    source = (ROOT / "logrules" / "settings.py").read_text("utf-8")
    read = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"LOGRULES_\w+", node.value)
    }
    read |= {"LOGRULES_LANG"}  # read by logrules.rules, for those who use nothing else

    assert set(re.findall(r"^\| .*?(?= \| )", _text(lang), re.MULTILINE)) >= {"| `SENTRY_DSN`"}
    assert set(re.findall(r"`(LOGRULES_\w+)`", _text(lang))) == read - INTERNAL


@pytest.mark.parametrize("lang", READMES)
def test_statuses_are_those_that_are_used(lang: str) -> None:
    """The table of exit statuses has a row for each status that logrules itself ends with."""
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", _text(lang), re.MULTILINE)}

    assert listed == {int(status) for status in Exit}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_hold_no_secret_and_no_home(document: Path) -> None:
    """No document shows anything in the form of a token, or a path of the machine it was written on."""
    text = document.read_text("utf-8")

    assert re.findall(r"\d{6,}:[A-Za-z0-9_-]{30,}|/(?:home|work|root|tmp)/\w+", text) == []
