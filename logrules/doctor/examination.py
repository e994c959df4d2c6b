"""Every check, side by side, in bounded time; then the findings, for people or for programs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from logrules.core.model import Sign
from logrules.core.redact import Redactor, secrets_in
from logrules.doctor import configuration, database, machine, platform, receivers, render, telegram
from logrules.doctor.finding import State, as_dict, found, ordered, status
from logrules.doctor.patient import BUDGET, Patient
from logrules.doctor.says import AREAS, PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from logrules.doctor.finding import Finding
    from logrules.page import Page
    from logrules.rules import Rules

CHECKS: dict[str, Callable[[Patient], Iterator[Finding]]] = {
    "settings": configuration.configuration,
    "token": telegram.token,
    "database": database.database,
    "render": render.services,
    "platform": platform.platform,
    "versions": machine.versions,
    "packs": configuration.packs,
    "disk": machine.disk,
    "mirror": database.mirror,
    "receivers": receivers.receivers,
    "sentry": receivers.sentry,
    "chat": telegram.chat,
}
"""In no order: each runs by itself, and its findings say to which area they belong."""

_MARKS = {State.BAD: Sign.BAD, State.WARN: Sign.WARN, State.OK: Sign.GOOD}
_LAST = 1.0
"""Seconds that checks have to wind up after the last question may have begun."""
_LOOK = 0.1
"""Seconds between two looks at who has ended."""


def doctor(known: Rules, *, as_json: bool) -> int:
    """Examine this environment, tell what was found, and give the status of the worst of it."""
    patient = Patient.of(os.environ)
    redact = Redactor([*secrets_in(os.environ), *patient.tokens.values()])
    progress = _progress(known.lang)
    try:
        findings = [_clean(each, redact) for each in examine(patient, CHECKS, progress)]
    finally:
        progress(len(CHECKS), len(CHECKS))  # its line goes away with Ctrl+C, too
    if as_json:
        for each in findings:
            print(json.dumps(as_dict(each, known), ensure_ascii=False))
    else:
        show(findings, known)
    return status(findings, known)


def examine(
    patient: Patient,
    checks: Mapping[str, Callable[[Patient], Iterator[Finding]]],
    progress: Callable[[int, int], None] = lambda done, all_: None,
) -> list[Finding]:
    """What the checks find, the worst first. None of them can break, or hold up, the others."""
    results: dict[str, list[Finding]] = {name: [] for name in checks}
    threads = {
        name: threading.Thread(target=_collect, args=(name, check, patient, results[name]), daemon=True)
        for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    while running := [name for name, thread in threads.items() if thread.is_alive()]:
        progress(len(checks) - len(running), len(checks))
        if time.monotonic() > patient.until + _LAST:
            break
        threads[running[0]].join(_LOOK)
    for name in running:
        results[name].append(found("any.unfinished", area=name, seconds=BUDGET + _LAST))
    areas = list(AREAS)
    everything = [each for name in checks for each in list(results[name])]
    return ordered(sorted(everything, key=lambda each: areas.index(each.area)))


def _collect(
    name: str, check: Callable[[Patient], Iterator[Finding]], patient: Patient, findings: list[Finding]
) -> None:
    """What one check finds, one by one: what it has found before it hangs is told."""
    try:
        for each in check(patient):
            findings.append(each)  # noqa: PERF402
    except Exception as error:  # noqa: BLE001 - the others go on
        findings.append(found("any.broke", area=name, error=type(error).__name__))


def _clean(finding: Finding, redact: Redactor) -> Finding:
    """No secret in what a server answered, or in what somebody has put into a name."""

    def clean(value: object) -> object:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, list):
            return [clean(each) for each in value]
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items()}
        return value

    return finding._replace(attrs={name: clean(value) for name, value in finding.attrs.items()})


def _progress(lang: str) -> Callable[[int, int], None]:
    """One line on standard error that goes away again, where somebody sits and waits."""
    if not sys.stderr.isatty():
        return lambda done, all_: None

    def say(done: int, all_: int) -> None:
        words = PAGE["progress"][lang].format(done=done, all=all_) if done < all_ else ""
        sys.stderr.write(f"\r\x1b[K{words}" if os.environ.get("TERM") != "dumb" else "")
        sys.stderr.flush()

    return say


def show(findings: Iterable[Finding], known: Rules) -> None:
    """For people: what to do about the worst of it first."""
    from logrules.page import Page

    page, lang, told = Page(), known.lang, list(findings)
    shown = set[str]()
    for each in told:
        if each.state in {State.BAD, State.WARN}:
            _trouble(page, each, known, shown)
            page.blank()
    for each in told:
        if each.state is State.OK:
            page.point(Sign.GOOD, f"{AREAS[each.area][lang]}: {each.message(lang)}")
    skipped = [
        f"{AREAS[each.area][lang]}: {each.message(lang)}" for each in told if each.state is State.SKIPPED
    ]
    if skipped:
        page.say(f"{PAGE['skipped'][lang]}. {'; '.join(skipped)}.", indent=2, style="dim")
    page.blank()
    worst = told[0].state if told else State.OK
    page.say(PAGE[{State.BAD: "ill", State.WARN: "warned"}.get(worst, "well")][lang], indent=0)


def _trouble(page: Page, finding: Finding, known: Rules, shown: set[str]) -> None:
    """What is wrong and what to do; `shown` holds what was told before, and is not told again."""
    title = AREAS[finding.area][known.lang]
    code = f"{finding.code} ({finding.reason})" if finding.reason else finding.code or ""
    page.title(_MARKS[finding.state], title, (f"  {code}", "not bold"))
    page.quote(finding.message(known.lang))
    steps = [step for step in finding.steps(known) if step not in shown]
    page.steps(steps, numbered=len(steps) > 1)
    if finding.code and finding.code not in shown:
        page.line(PAGE["more"][known.lang].format(code=finding.code), style="dim")
    shown.update([finding.code or "", *steps])
