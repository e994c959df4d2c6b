"""`logrules completion`: scripts for bash, zsh and fish, made from the tree of argparse itself.

What is typed is looked up in tables that stand in the script: no key waits for a process of ours.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NamedTuple

from logrules.manual import summaries, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILES, CODES, COMMAND = "<files>", "<codes>", "<command>"
"""What else than fixed words may stand somewhere: files, codes, or a command with arguments of its own."""
_KINDS = {
    "FILE": FILES,
    "PACK": FILES,
    "CODE": CODES,
    'CODE|"LINE"': CODES,
    "-- COMMAND …": COMMAND,
}
"""By what a help calls the value."""


class Option(NamedTuple):
    """An option of a command."""

    names: tuple[str, ...]
    help: str
    values: str | None
    """None: it takes no value. Else words with spaces between them, of which one may be a kind of above."""


class Node(NamedTuple):
    """A command."""

    path: str
    """Its words: "export sigma"; nothing for `logrules` itself."""
    below: dict[str, str]
    """Commands below it, with what each does."""
    options: list[Option]
    values: str
    """What may stand behind it."""


def script(shell: str, parser: argparse.ArgumentParser, codes: Iterable[str]) -> str:
    """The script for `shell`, one of bash, zsh and fish."""
    nodes = [_node(path, command) for path, command in tree(parser)]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](nodes, " ".join(codes))


def _node(path: str, parser: argparse.ArgumentParser) -> Node:
    below = dict(summaries(parser))
    options, values = [], [*below]
    for action in parser._actions:  # noqa: SLF001  argparse shows its tree nowhere else
        if action.option_strings:
            names = tuple(name for name in action.option_strings if name.startswith("--"))
            options.append(Option(names, _plain(action.help or ""), _values(action)))
        elif not below:
            values.append(_values(action) or "")
    return Node(path, below, options, " ".join(values))


def _values(action: argparse.Action) -> str | None:
    if action.nargs == 0:
        return None
    if action.choices is not None:
        return " ".join(map(str, action.choices))
    return _KINDS.get(str(action.metavar or action.dest.upper()), "")


def _plain(text: str) -> str:
    """The first words of a help, without what a shell would take for its own."""
    words = re.split(r"[:;] |\. | \(", text.replace("'", "’"))[0]
    return re.sub(r"[\"`\\\[\]$]", "", words).rstrip(".")


def _bash(nodes: list[Node], codes: str) -> str:
    offered, taken = [], []
    for node in nodes:
        options = " ".join(name for option in node.options for name in option.names)
        offered.append(f"""    "{node.path}") options="{options}" want="{node.values}" ;;""")
        for option in node.options:
            if option.values is not None:
                cases = "|".join(f'"{node.path}:{name}"' for name in option.names)
                taken.append(f"""    {cases}) options="" want="{option.values}" ;;""")
    paths = "|".join(f'"{node.path}"' for node in nodes if node.path)
    return _BASH.format(paths=paths, offered="\n".join(offered), taken="\n".join(taken), codes=codes)


_BASH = """\
# Completion of logrules for bash, 3.2 and newer. Made by: logrules completion bash
_logrules() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" path=""
    local word="" options="" want="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        if [[ $path == run && $word == -- ]]; then
            if declare -F _command_offset >/dev/null; then _command_offset $((i + 1)); return; fi
            if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$cur")); return; fi
            want="<files>"
            break
        fi
        case "${{path:+$path }}$word" in
        {paths}) path="${{path:+$path }}$word" ;;
        esac
    done
    if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
    if [[ -z $want ]]; then
    case "$path" in
{offered}
    esac
    case "$path:$prev" in
{taken}
    esac
    fi
    if [[ $cur == -* && -n $options ]]; then want="$options"; fi
    case "$want" in
    "<files>") compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "<codes>") COMPREPLY=($(compgen -W "{codes}" -- "$cur")) ;;
    "<command>") COMPREPLY=($(compgen -W "--" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$want" -- "$cur")) ;;
    esac
}}
complete -F _logrules logrules"""


def _zsh(nodes: list[Node], codes: str) -> str:
    return _ZSH.format(codes=codes, functions="\n\n".join(map(_zsh_function, nodes)))


_ZSH = """\
#compdef logrules
# Completion of logrules for zsh. Made by: logrules completion zsh
_logrules_codes=({codes})

{functions}

if [[ $funcstack[1] == _logrules ]]; then _logrules "$@"; else compdef _logrules logrules; fi"""


def _zsh_function(node: Node) -> str:
    specs = [spec for option in node.options for spec in _zsh_option(option)]
    if node.below:
        told = " ".join(f"'{name}:{_plain(what)}'" for name, what in node.below.items())
        choices = "|".join(node.below)
        rest = [
            f"""    _arguments -C {" ".join(specs)} '1: :->which' '*:: :->rest'""",
            "    case $state in",
            f"    which) local -a those=({told}); _describe command those ;;",
            f"    rest) case $line[1] in ({choices}) {_function(node.path)}_${{line[1]//-/_}} ;; esac ;;",
            "    esac",
        ]
        body = ['    local curcontext="$curcontext" state line', *rest]
    else:
        values = _ZSH_VALUES.get(node.values, (f"'1:value:({node.values})'",))
        body = [f"    _arguments {' '.join([*specs, *values])}"]
    return "\n".join([f"{_function(node.path)}() {{", *body, "}"])


_ZSH_VALUES: dict[str, tuple[str, ...]] = {
    FILES: ("'*:file:_files'",),
    CODES: ("'*:code:($_logrules_codes)'",),
    COMMAND: ("'(-)1:command:_command_names -e'", "'*::argument:_normal'"),
    "": (),
}


def _function(path: str) -> str:
    return "_logrules" + "".join(f"_{word}" for word in path.replace("-", "_").split())


def _zsh_option(option: Option) -> Iterator[str]:
    kinds = {FILES: ":file:_files", CODES: ":code:($_logrules_codes)", "": ":value: ", None: ""}
    takes = kinds.get(option.values, f":value:({option.values})")
    for name in option.names:
        yield f"'{name}[{option.help}]{takes}'"


def _fish(nodes: list[Node], codes: str) -> str:
    lines = [
        "# Completion of logrules for fish. Made by: logrules completion fish",
        "complete -c logrules -f",
    ]
    for node in nodes:
        where = _fish_place(node)
        lines += [f"{where} -a {name} -d '{_plain(what)}'" for name, what in node.below.items()]
        for option in node.options:
            names = " ".join(f"-l {name[2:]}" for name in option.names)
            takes = (
                ""
                if option.values is None
                else f" {'-r' if option.values == FILES else '-x'} {_fish_values(option.values, codes)}"
            )
            lines.append(f"{where} {names}{takes} -d '{option.help}'")
        if node.values and not node.below:
            lines.append(f"{where} {_fish_values(node.values, codes)}")
    return "\n".join(lines)


def _fish_place(node: Node) -> str:
    seen = [f"__fish_seen_subcommand_from {word}" for word in node.path.split()]
    if node.below and node.path:
        seen.append(f"not __fish_seen_subcommand_from {' '.join(node.below)}")
    return f"""complete -c logrules -n "{"; and ".join(seen) or "__fish_use_subcommand"}\""""


def _fish_values(values: str, codes: str) -> str:
    if values == FILES:
        return "-F"
    if values == COMMAND:
        return '-a "(__fish_complete_subcommand --fcs-skip=2)"'
    return f"-a '{codes if values == CODES else values}'"
