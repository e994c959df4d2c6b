"""What a regular expression cannot match without: the literals that the scanner looks for.

Reads the tree of `re`'s own parser, so that it understands exactly what `re` matches.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from logrules.core.literals.scanner import Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHORTEST = 3
"""Bytes below which a literal is too common to be worth a look."""

_TRAFFIC = """\
08:29:41 - httpx - INFO - HTTP Request: POST https://api.telegram.org/bot1:x/getUpdates "HTTP/1.1 200 OK"
INFO httpx: HTTP Request: POST https://api.telegram.org/bot1:x/sendMessage "HTTP/1.1 200 OK", took 0.3 s
DEBUG aiogram: https://api.telegram.org/bot1:x/answerCallbackQuery took 12 ms; telegram: bot got an update
08:29:41 - apscheduler.executors.default - INFO - Running job "tick (trigger: interval[0:00:05])"
2026-01-15 08:29:41,511 - aiogram.event - INFO - Update id=1 is handled successfully. Duration 12 ms
INFO:     127.0.0.1:40112 - "GET /healthz HTTP/1.1" 200 OK
INFO sqlalchemy.engine.Engine SELECT 1 FROM users WHERE id = $1
the bot is telegram user message
10.0.0.1 - - [15/Jan/2026:08:29:41 +0000] "POST /hook HTTP/1.1" 304 5 "-" "Mozilla/5.0 (X11; Linux x86_64)"
Jan 15 08:29:41 host kernel: usb 1-1: new device found, block IO error, network link up, full duplex
Jan 15 08:29:41 host sshd[1]: Failed password for invalid user root from 10.0.0.1 port 22 ssh2
Jan 15 08:29:41 host sshd[1]: Connection closed, reset; received disconnect: authentication failure
Jan 15 08:29:41 host systemd[1]: Starting nginx.service: Deactivated; Started session 1 of user root
Jan 15 08:29:41 host CRON[1]: (root) CMD (execute); Main PID: 1
2026-01-15 08:29:41.511 UTC [1] LOG:  checkpoint complete: wrote 1 buffers, connection received
INFO dfs.DataNode: Receiving and Received block, Served block, Deleting block, Exception while writing
INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: blk_1 is added
INFO BLOCK* NameSystem.allocateBlock: MemoryStore: Block broadcast_1 stored; System Manager: INVALID
DEBUG connect_tcp.complete return_value=None, opening, client closed; send, get, set, open, write, delete
INFO - discord.gateway: Shard ID 1 has sent the RESUME payload; job took 3 ms, " at ", took=3ms
user of chat, channel asked to start, run, get, load; No data found
Exception: at java.lang.Thread.run(Thread.java:1) Error: ERROR false null not connected to 1 of 2
бот пользователь сообщение ответ готов запущен
"""
"""What fills the logs of healthy bots and systems: words that stand here are found all the time."""
_NOW_AND_THEN = """\
WARN LeaseRenewer: Failed to renew lease, waiting for file
INFO task worker process started, running, ready, initialized, exit code 0, lost, session expired
WARN cannot find file; missing, unable to read config; connect refused, retry failed; unknown host
WARN server error: timed out, timeout; write failed; could not open; request failed, not found
Jan 15 08:29:41 host CRON[1]: Stopped, terminating
Retrying server, already tried 1 time(s), in use
another instance, application, other sessions, second: active, configured, detected
запуск ошибка время завершено успешно отправлено получено
"""
"""Words that they say, too, but not in every hundredth line: others are better to look for."""
_OFTEN = 10
"""How many lines of the one kind are as bad as one of the other."""
_LINES = [
    (line, line.lower(), often)
    for often, text in ((_OFTEN, _TRAFFIC), (1, _NOW_AND_THEN))
    for line in text.encode().splitlines()
]
_WHOLE = (_TRAFFIC + _NOW_AND_THEN).encode()
_FOLDED = _WHOLE.lower()
_FEW_DIGITS = 3
_ENOUGH = 12
"""Bytes beyond which a longer literal is no rarer."""
_MANY = 64
"""Texts up to which an alternation is spelled out."""
_ASCII = 127


@lru_cache(4096)
def factors(pattern: str) -> list[Literal]:
    """Literals of which every match of `pattern` holds at least one; empty if there are none to rely on.

    Raises re.error for a malformed pattern.
    """
    return _best(candidates(pattern))


@lru_cache(4096)
def candidates(pattern: str) -> list[list[Literal]]:
    """Sets of literals of each of which every match of `pattern` holds at least one."""
    tree = parsed(pattern)
    return _candidates(tree, caseless=bool(tree.state.flags & re.IGNORECASE))


def is_common(literals: Sequence[Literal]) -> bool:
    """Whether one of them may stand in so many lines that to find each costs more than to look for more."""
    return _frequency(literals) >= _OFTEN


def are_numbers(literals: Iterable[Literal]) -> bool:
    """Whether they are short numbers, which may stand in any line."""
    return all(map(_is_number, literals))


def _is_number(literal: Literal) -> bool:
    return literal.data.strip().isdigit() and len(literal.data) <= _FEW_DIGITS


def forget() -> None:
    """Let go of what was read of expressions: all have been asked for."""
    for each in (_parsed, _lines_with, candidates, factors):
        each.cache_clear()


def leading(pattern: str) -> bool:
    """Whether the first set of `candidates` holds what every match begins with, letter for letter."""
    run = [""]
    for operation, argument in parsed(pattern):
        words = _words(str(operation), argument, caseless=False)
        if words is None or len(run) * len(words) > _MANY:
            break
        run = [before + word for before in run for word in words]
    return all(run) and len(_literals(run, caseless=False)) == len(set(run))


def parsed(pattern: str | bytes, flags: int = 0) -> Any:
    """`re`'s own tree, not to be changed. Its module is private: this is the only place that knows."""
    return _parsed(pattern, flags)


@lru_cache(1)
def _parsed(pattern: str | bytes, flags: int) -> Any:
    """…the last one: it takes long to read, and several questions are asked of each."""
    from re import _parser  # type: ignore[attr-defined]

    return _parser.parse(pattern, flags)


def spelled_out(branches: Iterable[Any]) -> list[str] | None:
    """Every text that a choice can match, if they are few and all of them fixed."""
    return _union(_product(branch, caseless=False) for branch in branches)


def _best(candidates: list[list[Literal]]) -> list[Literal]:
    """The set that is rarest in a log, as far as one can tell: long, and towards the end of the words."""
    usable = [each for each in reversed(candidates) if each and _shortest(each) >= SHORTEST]
    return max(usable, key=_rarity, default=[])  # the first of equals


def _rarity(literals: list[Literal]) -> tuple[int, int]:
    return -_frequency(literals), min(_shortest(literals), _ENOUGH)


def _frequency(literals: Sequence[Literal]) -> int:
    """How often one of them stands in a line of the usual traffic; short numbers stand anywhere."""
    found = frozenset[int]().union(*map(_lines_with, literals))
    return 2 * _OFTEN * any(map(_is_number, literals)) + sum(_LINES[number][2] for number in found)


@lru_cache(4096)
def _lines_with(literal: Literal) -> list[int]:
    data = literal.data.lower() if literal.caseless else literal.data
    if data not in (_FOLDED if literal.caseless else _WHOLE):  # as most are not
        return []
    return [
        number
        for number, (line, folded, _) in enumerate(_LINES)
        if data in (folded if literal.caseless else line)
    ]


def _shortest(literals: list[Literal]) -> int:
    return min(len(literal.data) for literal in literals)


def _candidates(tree: Any, *, caseless: bool) -> list[list[Literal]]:
    """Every set of literals of which one must occur, for a sequence of nodes."""
    found: list[list[Literal]] = []
    run = [""]
    for operation, argument in tree:
        words = _words(str(operation), argument, caseless=caseless)
        if words is not None and len(run) * len(words) <= _MANY:
            run = [before + word for before in run for word in words]
            continue
        found.append(_literals(run, caseless=caseless))
        run = words or [""]
        if words is None:
            found.extend(_inner(str(operation), argument, caseless=caseless))
    return [*found, _literals(run, caseless=caseless)]


def _literals(words: list[str], *, caseless: bool) -> list[Literal]:
    """The words without those that another of them is part of."""
    least: list[str] = []
    for word in sorted(dict.fromkeys(words), key=len):
        if not any(other in word for other in least):
            least.append(word)
    least.sort(key=words.index)
    return [Literal(word.encode(), caseless) for word in least]


def _words(name: str, argument: Any, *, caseless: bool) -> list[str] | None:
    """Every text that a node can match, if they are few; None if not."""
    words: list[str] | None = None
    match name:
        case "LITERAL" if not (caseless and argument > _ASCII):
            words = [chr(argument)]
        case "AT" | "ASSERT" | "ASSERT_NOT":
            words = [""]  # takes no room
        case "IN" if all(str(kind) == "LITERAL" for kind, _ in argument):
            words = _union(_words("LITERAL", letter, caseless=caseless) for _, letter in argument)
        case "SUBPATTERN" if not argument[1] and not argument[2]:
            words = _product(argument[3], caseless=caseless)
        case "BRANCH":
            words = _union(_product(branch, caseless=caseless) for branch in argument[1])
        case "MAX_REPEAT" | "MIN_REPEAT" if argument[:2] == (0, 1):
            words = _union(([""], _product(argument[2], caseless=caseless)))
    return words


def _union(choices: Iterable[list[str] | None]) -> list[str] | None:
    """Every text of every choice; None if one of them has too many."""
    found: list[str] = []
    for words in choices:
        if words is None:
            return None
        found += words
    return found


def _product(tree: Any, *, caseless: bool) -> list[str] | None:
    """Every text that a sequence can match, if they are few."""
    run = [""]
    for operation, argument in tree:
        words = _words(str(operation), argument, caseless=caseless)
        if words is None or len(run) * len(words) > _MANY:
            return None
        run = [before + word for before in run for word in words]
    return run


def _inner(name: str, argument: Any, *, caseless: bool) -> list[list[Literal]]:
    """The sets inside a node that can match endless texts."""
    match name:
        case "SUBPATTERN":
            _, added, dropped, body = argument
            folds = (caseless or bool(added & re.IGNORECASE)) and not dropped & re.IGNORECASE
            return _candidates(body, caseless=folds)
        case "BRANCH":
            branches = [_best(_candidates(branch, caseless=caseless)) for branch in argument[1]]
            return [[one for branch in branches for one in branch]] if all(branches) else []
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT" if argument[0] >= 1:
            return _candidates(argument[2], caseless=caseless)
        case "ATOMIC_GROUP":
            return _candidates(argument, caseless=caseless)
    return []
