"""What a command says of itself: help that fits 80 columns, with examples that it takes, and completion."""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
import shutil
import subprocess

import pytest

from logrules import arguments, cli, manual
from logrules.commands.completion import script
from logrules.core.model import Exit
from logrules.rules import rules

TREE = dict(manual.tree(arguments.parser(())))
LEAVES = [path for path, parser in TREE.items() if path and not manual.summaries(parser)]
FISH, ZSH = shutil.which("fish") or "", shutil.which("zsh") or ""

CASES = {
    "logrules s": ["scan", "schema", "silence", "status"],
    "logrules export s": ["sentry-rules", "sentry-scrubbing", "sigma"],
    "logrules explain CONFL": ["CONFLICT_409", "CONFLICT_SUSPECTED", "CONFLICT_YIELDED"],
    "logrules scan --lang ": ["en", "ru"],
    "logrules run --on-fatal ": ["exit", "ignore", "park", "restart"],
    "logrules run --stop-on TOKEN": ["TOKEN_INVALID"],
    "logrules run --lock --res": ["--restarts"],
    "logrules run -- base": ["base32", "base64", "basename", "basenc"],
    "logrules scan a b.": ["b.log"],
    "logrules check --pa": [],
    "logrules silence --for ": [],
}
"""What is typed, and what is offered for its last word; of programs and files these at least."""
IN_BASH = """
source {script}
try() {{
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _logrules 2>/dev/null
    echo "${{COMPREPLY[*]}}"
}}
{tries}
try logrules scan --lang = r
"""


@pytest.mark.parametrize("path", TREE)
def test_help_is_worth_reading(path, monkeypatch):
    """80 columns; what it does, every option with a word of its own, examples, every exit status."""
    monkeypatch.setenv("COLUMNS", "80")
    text = TREE[path].format_help()
    options = [action for action in TREE[path]._actions if action.help != argparse.SUPPRESS]

    assert max(map(len, text.splitlines())) <= 80
    assert TREE[path].description
    assert all(action.help for action in options if not manual.summaries(TREE[path]))
    if path in LEAVES:
        assert f"\nexamples:\n  logrules {path}" in text or re.search(rf"\n  .*logrules {path}", text)
        assert "\nexit status:\n  0" in text
        named = re.findall(r"\d+", text.partition("\nexit status:\n")[2])
        assert {int(status) for status in named} <= {*Exit, 126, 127, 128, 255}


def test_every_command_has_its_place():
    """The first page names each command once, under what it is for."""
    text = TREE[""].format_help()
    placed = [name for names in manual.GROUPS.values() for name in names]

    assert sorted(placed) == sorted(manual.summaries(TREE[""]))
    assert all(len(re.findall(rf"(?m)^  {name} ", text)) == 1 for name in placed)


def test_examples_are_taken():
    """Each example of a help is a call that the command's own parser accepts."""
    tried = 0
    for line in "\n".join(manual.EXAMPLES.values()).splitlines():
        typed = re.sub(r'eval "\$\((.*)\)"', r"\1", re.split(r"\s{3,}", line.strip())[0])
        typed_words = shlex.shlex(typed, posix=True, punctuation_chars=True)
        typed_words.whitespace_split = True
        for is_call, call in itertools.groupby(typed_words, lambda word: not set(word) <= set("|;<>()&")):
            name, *words = call
            if is_call and name == "logrules":
                assert arguments.parser(words).parse_args(words).command in cli._COMMANDS, line
                tried += 1

    assert tried >= len(LEAVES)


@pytest.fixture
def scripts(tmp_path):
    """The three scripts as files, beside a file to complete."""
    (tmp_path / "b.log").touch()
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / shell).write_text(f"{script(shell, arguments.parser(()), rules)}\n")
    return tmp_path


def _offers(found, expected):
    return found == expected or (
        expected and expected[0] in ("base32", "b.log") and set(expected) <= set(found)
    )


def test_bash_completes(scripts):
    """Bash itself, with the script: commands, options, their values, codes, files, and other programs."""
    tries = "\n".join(
        "try " + " ".join(map(shlex.quote, [*typed.split(), *([""] if typed.endswith(" ") else [])]))
        for typed in CASES
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", IN_BASH.format(script=scripts / "bash", tries=tries)],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=True,
    )
    *found, with_equals = [sorted(set(line.split())) for line in done.stdout.splitlines()]
    wrong = [
        (typed, offered)
        for (typed, expected), offered in zip(CASES.items(), found, strict=True)
        if not _offers(offered, expected)
    ]

    assert wrong == []
    assert with_equals == ["ru"]
    assert done.stderr == ""


@pytest.mark.skipif(not FISH, reason="needs fish")
def test_fish_completes(scripts):
    """Fish itself, with its script, for the same cases."""
    for typed, expected in CASES.items():
        code = f"source {scripts / 'fish'}; complete -C {shlex.quote(typed)}"
        done = subprocess.run(
            [FISH, "--no-config", "-c", code], cwd=scripts, capture_output=True, text=True, check=True
        )
        found = sorted({line.split("\t")[0] for line in done.stdout.splitlines()})
        assert _offers(found, expected), (typed, found)


def test_zsh_knows_all(scripts):
    """Each command is a function, each option stands in its own; zsh, where it is installed, can read it."""
    text = (scripts / "zsh").read_text()
    functions = dict(re.findall(r"(?ms)^(_logrules\w*)\(\) \{\n(.*?)^\}", text))

    for path, parser in TREE.items():
        body = functions["_logrules" + "".join(f"_{word}" for word in path.replace("-", "_").split())]
        options = [
            name for action in parser._actions for name in action.option_strings if name.startswith("--")
        ]
        assert all(f"'{name}[" in body for name in options), path
    if ZSH:
        subprocess.run([ZSH, "-n", scripts / "zsh"], check=True)
