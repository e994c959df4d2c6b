"""The shipped packs: well formed, every sample right, silent on whatever somebody merely says."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks import corpus
from logrules.commands.check import faults_of
from logrules.core.engine import classify
from logrules.core.model import Sign
from logrules.rules import packs, rulebook, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logrules.core.ruleset.patterns import Pattern

OURS = {
    *("ALERTS_OFF", "ALERT_REFUSED", "ALERT_UNDELIVERED", "CONFIG_INVALID", "CONFLICT_SUSPECTED"),
    "CONFLICT_YIELDED",
    *("HANDLERS_STUCK", "LOCK_FENCED", "LOCK_FENCE_WEAK", "LOCK_LEASE_UNSUPPORTED", "LOCK_LOCAL_ONLY"),
    *("LOCK_POOLER", "LOCK_REACQUIRED", "LOCK_RELEASED", "LOOP_BLOCKED", "POLLING_STALLED", "PREVIEW_IDLE"),
    *("RUN_UNFINISHED", "SHUTDOWN_CLEAN", "START_DELAYED", "STATE_UNMIRRORED", "UPDATE_SLOW"),
    *("UPDATE_UNREADABLE", "CLOCK_WRONG", "PLATFORM_UNFIT", "STATE_EPHEMERAL", "VERSION_UNFIT"),
    *("SECRET_IN_LOG", "WATCH_FAILED"),
}
"""Codes that only our own event lines and findings carry."""

NEWS = [pattern for pattern in rulebook().patterns if rules[pattern.code].sign in {Sign.BAD, Sign.WARN}]


def codes(text: str) -> list[str]:
    return [match.code for match in classify(rulebook(), text)]


def test_the_shipped_packs_are_sound() -> None:
    """No fault of form, every sample gives its code, every expression is shown to work, no sample has two."""
    assert not list(map(str, faults_of(packs())))


def test_every_code_has_a_pattern_or_is_our_own() -> None:
    """What the packs know and what codes.toml explains are the same."""
    assert {pattern.code for pattern in rulebook().patterns} | OURS == set(rules)


def first_lines(patterns: Iterable[Pattern]) -> Iterator[tuple[str, str]]:
    """The first line of each sample, with the rule that it belongs to."""
    for pattern in patterns:
        for sample in pattern.match:
            yield pattern.place, sample.partition("\n")[0]


def test_no_pattern_waits_for_words_that_healthy_logs_are_full_of() -> None:
    """Each line in which they stand is read: a word of each hundredth costs as much as all else."""
    data = corpus.block("quiet", 2**20)
    book = rulebook()
    book.search.prepare()
    met = Counter(number for hit in book.search.scan(data) for number in hit.wanted)
    often = {number: count for number, count in met.items() if count > data.count(b"\n") / 100}

    assert not {
        book.patterns[number].any[choice]: count
        for at, count in often.items()
        for number, choice in book._pairs.wanting(at)
    }


def test_chat_text_logged_as_information_raises_nothing() -> None:
    """A bot that logs what users write does not alarm anybody."""
    log = [
        f"2026-01-15 08:29:41,511 - bot - INFO - {said}"
        for _, line in first_lines(NEWS)
        for said in (f"text from 42: {line}", f"message: '{line}'", f"42 {line}")
    ]

    assert [(match.rule, match.evidence) for match in classify(rulebook(), "\n".join(log))] == []


def test_a_sample_is_recognised_through_prefixes_and_colours() -> None:
    """A platform's stamps, a terminal's colours and Windows' line ends hide nothing."""
    missed = []
    for pattern in rulebook().patterns:
        for sample in pattern.match:
            expected = codes(sample)
            stamped = codes("\n".join(f"bot-1  | {line}" for line in sample.split("\n")))
            coloured = codes("\r\n".join(f"\x1b[31m{line}\x1b[0m" for line in sample.split("\n")))
            if pattern.code not in expected or not expected == stamped == coloured:
                missed.append((pattern.place, sample, expected, stamped, coloured))

    assert missed == []


QUIET = [
    "order 1409 paid",
    "ERROR - order 1409 paid",
    "HTTP/1.1 409 Conflict",
    "Error response from daemon: Conflict. The container name is already in use",
    "CONFLICT (content): Merge conflict in bot.py",
    "error: failed to push some refs to 'origin'",
    "ERROR: deadlock detected",
    "npm WARN conflict A git conflict was detected in package-lock.json.",
    "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend.",
    "✅ Preflight check passed: no conflicts detected, ready for polling",
    "2026-01-15 08:29:41,511 - bot - INFO - conflicts: 0, locks: 3, polling: yes",
    "==> Running 'python main.py'",
    "SELECT pg_advisory_lock(123);",
    '{"level": "info", "message": "Conflict: terminated by other getUpdates request"}',
    '{"text": "say {\\"code\\": \\"CONFLICT_409\\", \\"v\\": 1}"}',
    '{"code": "CONFLICT_409", "message": "somebody else\'s field"}',
]


def test_silence() -> None:
    """Other people's conflicts, locks and numbers are no business of a bot's."""
    assert [line for line in QUIET if codes(line)] == []
