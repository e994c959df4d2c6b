"""Alerting rules for Prometheus, upon what a guarded bot says on `/metrics` (`core/guarding/health.py`).

A process that ends takes its counters with it before anybody has read them: what ends a bot shows in the
state of those that are left, and in their absence. Codes are asked for where the bot goes on after them.
https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from logrules.core.guarding.health import Phase
from logrules.core.model import Severity
from logrules.core.text import runbook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from logrules.core.ruleset.codes import Code


class _State(NamedTuple):
    alert: str
    code: str
    """Says what it means and what to do."""
    expr: str
    wait: str
    severity: Severity


def _is(phase: Phase) -> str:
    return f'logrules_state{{JOB,state="{phase}"}}'


_POLLING = f"{_is(Phase.POLLING)} * on (job, instance) group_left (service) logrules_info{{JOB}}"
"""1 for each instance that polls, 0 for each that does not, with the name of its service."""
_MEANT = _POLLING.replace('state="polling"', 'state=~"polling|preview"')
"""The same, and 1 for one that is not to poll."""
_SEEN = "max by (job, service) (max_over_time(logrules_info{JOB}[1d]))"
_HERE = "max by (job, service) (logrules_info{JOB})"
_STATES = (
    _State("LogrulesGone", "PROCESS_EXITED", f"{_SEEN} unless {_HERE}", "5m", Severity.CRITICAL),
    _State(
        "LogrulesNobodyPolls",
        "LOCK_WAITING",
        f"max by (job, service) ({_MEANT}) == 0",
        "10m",
        Severity.CRITICAL,
    ),
    _State(
        "LogrulesTwoPoll", "CONFLICT_409", f"sum by (job, service) ({_POLLING}) > 1", "2m", Severity.CRITICAL
    ),
    _State("LogrulesStalled", "POLLING_STALLED", f"{_is(Phase.STALLED)} == 1", "1m", Severity.CRITICAL),
    _State("LogrulesLockLost", "LOCK_LOST", f"{_is(Phase.LOST)} == 1", "1m", Severity.CRITICAL),
    _State("LogrulesParked", "CONFIG_INVALID", f"{_is(Phase.PARKED)} == 1", "0m", Severity.CRITICAL),
    _State(
        "LogrulesDelayed",
        "START_DELAYED",
        f"max_over_time({_is(Phase.DELAYED)}[10m]) == 1",
        "0m",
        Severity.WARNING,
    ),
)
"""What no instance says of itself, or says by what it is at. A deploy's overlap is shorter than each wait."""


class _Told(NamedTuple):
    times: int
    minutes: int


SURVIVED = {
    "HANDLERS_STUCK": _Told(1, 15),
    "LOOP_BLOCKED": _Told(3, 15),
    "UPDATE_SLOW": _Told(10, 15),
    "UPDATE_UNREADABLE": _Told(1, 60),
    "CONFLICT_SUSPECTED": _Told(3, 15),
    "CONFLICT_YIELDED": _Told(1, 15),
    "RUN_UNFINISHED": _Told(1, 60),
    "ALERT_UNDELIVERED": _Told(1, 15),
    "ALERT_REFUSED": _Told(1, 15),
    "STATE_UNMIRRORED": _Told(1, 15),
}
"""Codes after which a bot goes on, and how often in how many minutes one is worth an alert. What keeps alerts
from being delivered is among them: here is another way to be told."""


def group(codes: Mapping[str, Code], lang: str, job: str, *, runbooks: str | None = None) -> dict[str, Any]:
    """A file of rules, as Prometheus reads it.

    Args:
        codes: What the codes mean.
        lang: The language of annotations.
        job: The `job_name` under which Prometheus scrapes the bots.
        runbooks: The address of pages on codes, see `runbook`.
    """
    selector = f'job="{job}"'
    rules = [_rule(each, codes[each.code], lang, selector) for each in (*_STATES, *_events())]
    for rule in rules if runbooks else ():
        rule["annotations"]["runbook_url"] = runbook(runbooks, rule["labels"]["code"], lang)
    return {"groups": [{"name": "logrules", "rules": rules}]}


def _events() -> Iterator[_State]:
    for code, (times, minutes) in SURVIVED.items():
        named = f'logrules_events_total{{JOB,code="{code}"}}'
        # A counter is born with its first event, which `increase` would not see.
        before = f"({named} offset {minutes}m or {named} * 0)"
        alert = "Logrules" + "".join(word.title() for word in code.split("_"))
        yield _State(alert, code, f"{named} - {before} >= {times}", "0m", Severity.WARNING)


def _rule(state: _State, code: Code, lang: str, selector: str) -> dict[str, Any]:
    return {
        "alert": state.alert,
        "expr": state.expr.replace("JOB", selector),
        "for": state.wait,
        "labels": {"severity": str(state.severity), "code": code.code},
        "annotations": {
            "summary": _plain(code.alert.title[lang] if code.alert else code.summary[lang]),
            "description": _plain(f"{code.summary[lang]}\n{code.remediation_lines(lang)}"),
            "explain": f"logrules explain {code.code}",
        },
    }


def _plain(text: str) -> str:
    """Text that Prometheus takes for no template."""
    return text.replace("{{", '{{ "{{" }}')
