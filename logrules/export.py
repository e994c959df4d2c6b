"""`logrules export`: what to tell a Sentry project, as JSON for its API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from logrules.core import exports, shape
from logrules.core.model import Exit, LogrulesError
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
    waking = [code for code, rule in known.items() if rule.alert]
    for code in codes:
        if code not in waking:
            if code in known:
                raise LogrulesError(f"--code: {code} wakes nobody. Which do: logrules codes")
            near = shape.meant(code, waking).rstrip("?")
            raise LogrulesError(f"--code: there is no code {code!r}{near}. All of them: logrules codes")
    for code in [code for code in waking if code in codes or not codes]:
        rule = exports.legacy(code) if monitor is None else exports.workflow(code, monitor)
        print(json.dumps(rule))
    complain("the fields are those that Sentry documents; these rules were never tried on a live Sentry")
    return Exit.OK


def sentry_scrubbing() -> int:
    """Print the configuration of Advanced Data Scrubbing."""
    print(json.dumps(exports.scrubbing(), indent=2))
    return Exit.OK
