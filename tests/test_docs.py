"""What the documents say is true: generated blocks, links, commands, settings and exit statuses."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import subprocess
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from docs.generate import documents
from logrules.core.event import Event
from logrules.core.export import sentry as exports
from logrules.core.guarding.health import Health, Phase, page
from logrules.core.guarding.lease import TABLE, Timers
from logrules.core.model import Exit
from logrules.rules import rules
from logrules.sidecar import options

ROOT = Path(__file__).parent.parent
READMES = {"en": ROOT / "README.md", "ru": ROOT / "README.ru.md"}
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REFERENCES = {"en": ROOT / "docs" / "reference.md", "ru": ROOT / "docs" / "reference.ru.md"}
GUARDS = {"en": ROOT / "docs" / "guard.md", "ru": ROOT / "docs" / "guard.ru.md"}
BOTH = [READMES, REFERENCES, GUARDS]
REFERRED = {"level": "string", "error": "object"}
"""Keys of an event whose form the schema gives elsewhere."""
INTERNAL = {"LOGRULES_EVENT_FD", "LOGRULES_LOCK_HELD"}
"""Read by the program, set by nobody: how `logrules run` reaches a guarded child."""


def _text(lang: str) -> str:
    return READMES[lang].read_text("utf-8")


def _prose(text: str) -> str:
    """A document without its fenced blocks and inline code, where brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def _anchors(document: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_what_is_generated_is_current() -> None:
    """Tables, pages of codes, pictures and schemas are those of packs and code: `python -m docs.generate`."""
    made = documents()
    pages = {
        *(ROOT / "docs" / "codes").rglob("*.*"),
        *(ROOT / "docs").glob("*.svg"),
        *(ROOT / "docs").glob("*.json"),
    }

    assert [path.name for path, text in made.items() if path.read_text("utf-8") != text] == []
    assert pages <= made.keys()
    assert {path.stem for path in pages if path.suffix == ".md"} == {*rules}


def test_scrubbing_is_described_as_it_is() -> None:
    """What people are to paste into Sentry is what is exported."""
    for name in ("alerts.md", "alerts.ru.md"):
        text = (ROOT / "docs" / name).read_text("utf-8")
        assert all(f"`{rule['pattern']}`" in text for rule in exports.RULES.values())


@pytest.mark.parametrize("page", ["lock.md", "lock.ru.md"])
def test_lock_is_described_as_it_is(page: str) -> None:
    """The lock's diagram, table and timers are those of the code."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    arrows = re.findall(r"^    (\w+) --> (\w+): (.*)$", text, re.MULTILINE)
    drawn = {(a, event.split(" / ")[0], b) for a, b, events in arrows for event in events.split("<br>")}

    assert text.count("<!-- generated: ") == 3
    assert drawn == {(state.name, event, step.state.name) for (state, event), step in TABLE.items()}
    assert all(f"`{step.code}`" in text for step in TABLE.values() if step.code)
    assert all(f"| {field.name} | {field.default:g} |" in text for field in fields(Timers))


@pytest.mark.parametrize("lang", READMES)
def test_every_code_stands_in_the_table(lang: str) -> None:
    """Each code has exactly one row, with its exit status where it ends the bot."""
    rows = re.findall(r"^\| \S+ \| \[`([A-Z0-9_]+)`\]\S+ \| [^|]+ \| (\d*) \|", _text(lang), re.MULTILINE)
    expected = {code: str(int(rule.exit)) if rule.fatal and rule.exit else "" for code, rule in rules.items()}

    assert len(rows) == len(rules)
    assert dict(rows) == expected


@pytest.mark.parametrize("lang", READMES)
def test_shown_event_is_an_event(lang: str) -> None:
    """The README's JSON line has the keys of an event in their order, and its code's first step."""
    (line,) = [json.loads(body) for kind, body in FENCE.findall(_text(lang)) if kind == "json"]
    keys = [key for key in Event.__struct_fields__ if key in line]
    spec = rules[line["code"]].spec.why(line["reason"])

    assert list(line) == keys
    assert line["remediation"].endswith(" …")
    assert spec.remediation(lang).startswith(line["remediation"].removesuffix(" …"))


def test_links_resolve() -> None:
    """Every link leads to a file or a heading that is there, or to the web by HTTPS."""
    broken = []
    for document in DOCUMENTS:
        for target in LINK.findall(_prose(document.read_text("utf-8"))):
            path, _, anchor = unquote(target).partition("#")
            file = (document.parent / path).resolve() if path else document
            if re.match(r"[a-z]+:", target):
                broken += [(document.name, target)] * (not target.startswith("https://"))
            elif not file.exists() or (anchor and anchor not in _anchors(file)):
                broken.append((document.name, target))

    assert broken == []


@pytest.mark.parametrize("pages", BOTH)
def test_both_languages_say_the_same(pages: dict[str, Path]) -> None:
    """Both have the same sections, commands, links, settings and statuses, in one order."""

    def shape(lang: str) -> tuple[object, ...]:
        text = pages[lang].read_text("utf-8")
        code = [re.sub(r"\s*#.*", "", body) for kind, body in FENCE.findall(text) if kind in {"sh", "python"}]
        names = re.findall(r"^\| (`[^|]+`|\d+) \|", text, re.MULTILINE)
        links = [link.replace(".ru.", ".").replace("/ru/", "/en/") for link in LINK.findall(_prose(text))]
        links = [link.partition("#")[0] for link in links if not link.startswith("README")]
        return len(re.findall(r"^#+ ", text, re.MULTILINE)), code, names, links

    assert shape("en") == shape("ru")


def test_commands_exist() -> None:
    """Every `logrules COMMAND` of the README is a command that explains itself."""
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", _text("en")))
    fenced = [body for kind, body in FENCE.findall(_text("en")) if kind == "sh"]
    commands = set(re.findall(r"\blogrules ([a-z][a-z-]*)", "\n".join([*inline, *fenced])))

    assert commands >= {"run", "scan", "explain", "doctor", "status"}
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
    """The reference names every LOGRULES_* variable that the program reads, and nothing names another."""
    source = (ROOT / "logrules" / "settings.py").read_text("utf-8")
    read = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"LOGRULES_\w+", node.value)
    }
    read |= {"LOGRULES_LANG"}  # read by logrules.rules, for those who use nothing else

    assert set(re.findall(r"`(LOGRULES_\w+)`", REFERENCES[lang].read_text("utf-8"))) >= read - INTERNAL
    assert set(re.findall(r"`(LOGRULES_\w+)`", _text(lang))) <= read


@pytest.mark.parametrize("lang", READMES)
def test_events_and_metrics_are_described_as_they_are(lang: str) -> None:
    """The reference names every key of an event, and every metric, in their order and with their type."""
    text = REFERENCES[lang].read_text("utf-8")
    told = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| \S", text, re.MULTILINE)
    named = partial(Health, phase=Phase.POLLING, service="", instance="", version="")
    health = named(since=0.0, epoch=1, last_proof=0.0, last_poll=0.0, holder="one")
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", page("/metrics", health).body.decode(), re.MULTILINE)
    keys: dict[str, dict[str, str]] = msgspec.json.schema(Event)["$defs"]["Event"]["properties"]

    assert told[: len(keys)] == [(key, form.get("type") or REFERRED[key]) for key, form in keys.items()]
    assert told[len(keys) :] == kinds


@pytest.mark.parametrize("lang", READMES)
def test_statuses_are_those_that_are_used(lang: str) -> None:
    """The table of exit statuses has a row for each status that logrules itself ends with."""
    text = REFERENCES[lang].read_text("utf-8")
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}

    assert listed == {int(status) for status in Exit}


def test_documents_hold_no_secret_and_no_home() -> None:
    """No document shows anything in the form of a token, or a path of the machine it was written on."""
    private = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}|/(?:home|work|root|tmp)/\w+")

    assert [(document.name, private.findall(document.read_text("utf-8"))) for document in DOCUMENTS] == [
        (document.name, []) for document in DOCUMENTS
    ]
