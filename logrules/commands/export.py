"""`logrules export`: what to tell those who watch with other tools, in the form that each of them reads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from logrules.core.export import prometheus as promrules
from logrules.core.export import sentry as exports
from logrules.core.export import sigma
from logrules.core.export.yamltext import dumped
from logrules.core.model import Exit, LogrulesError
from logrules.core.ruleset import shape
from logrules.streams import complain

if TYPE_CHECKING:
    from collections.abc import Collection

    from logrules.rules import Rules


def sentry_rules(known: Rules, codes: Collection[str], *, monitor: int | None) -> int:
    """Print one alert rule a line, for these codes or for all that wake somebody.

    Args:
        known: The rules.
        codes: Which ones; empty for all.
        monitor: The id of the project's error monitor; None for servers that have no monitors.

    Raises:
        LogrulesError: a code is unknown or wakes nobody.
    """
    for code in _waking(known, codes):
        rule = exports.legacy(code) if monitor is None else exports.workflow(code, monitor)
        print(json.dumps(rule))
    complain("the fields are those that Sentry documents; these rules were never tried on a live Sentry")
    return Exit.OK


def sentry_scrubbing() -> int:
    """Print the configuration of Advanced Data Scrubbing."""
    print(json.dumps(exports.scrubbing(), indent=2))
    return Exit.OK


def prometheus(known: Rules, job: str, runbooks: str | None) -> int:
    """Print a file of alerting rules for the bots that Prometheus scrapes as `job`.

    With the address of pages on codes each rule links to its own.

    Raises:
        LogrulesError: `job` is no name that could stand in a rule.
    """
    if not re.fullmatch(r"[\w./:-]{1,100}", job):
        raise LogrulesError("--job: the job_name of your scrape_configs: letters, digits and ./:_- in it")
    print(_PROMETHEUS.format(job=job), end="")
    print(dumped(promrules.group(known.specs, known.lang, job, runbooks=runbooks)), end="")
    return Exit.OK


_PROMETHEUS = """\
# Alerting rules for guarded bots, made by: logrules export prometheus --job {job}
# They rest on /metrics, which guard() answers on PORT or LOGRULES_PORT. In prometheus.yml:
#   rule_files: [logrules.rules.yml]
#   scrape_configs:
#     - job_name: {job}
#       static_configs: [{{targets: ["my-bot:9090"]}}]
"""


def sigma_rules(known: Rules, codes: Collection[str], *, counted: bool) -> int:
    """Print a Sigma rule for each of these codes, or for all that wake somebody.

    Args:
        known: The rules.
        codes: Which ones; empty for all.
        counted: Whether correlation rules count what is no incident by itself.

    Raises:
        LogrulesError: a code is unknown or wakes nobody.
    """
    wanted = _waking(known, codes)
    patterns = [each for each in known.rulebook.patterns if each.code in wanted]
    made = [
        dumped(rule)
        for code in wanted
        for rule in sigma.rules(
            known.specs[code],
            [each for each in patterns if each.code == code],
            known.lang,
            counted=counted,
        )
    ]
    print("---\n".join(made), end="")
    return Exit.OK


def _waking(known: Rules, codes: Collection[str]) -> list[str]:
    """Those of `codes`, or all, that wake somebody. Raises LogrulesError for one that does not."""
    waking = [code for code, rule in known.items() if rule.alert]
    for code in codes:
        if code not in waking:
            if code in known:
                raise LogrulesError(f"--code: {code} wakes nobody. Which do: logrules codes")
            near = shape.meant(code, waking).rstrip("?")
            raise LogrulesError(f"--code: there is no code {code!r}{near}. All of them: logrules codes")
    return [code for code in waking if code in codes or not codes]
