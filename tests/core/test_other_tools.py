"""What Prometheus and Sigma are told: the form that they read, and that it rests on what we really say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from logrules.core.export import prometheus as promrules
from logrules.core.export import sigma
from logrules.core.export.yamltext import dumped
from logrules.core.guarding.health import Health, Phase, page
from logrules.rules import extended, rules

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool") or ""
SIGMA = shutil.which("sigma") or ""
SERIES = re.compile(r"(logrules_\w+)\{([^}]*)\}")
WHOLE = Health(
    phase=Phase.POLLING,
    service="bot",
    instance="one",
    version="1",
    since=1.0,
    events=dict.fromkeys(rules, 1),
)
SHOWN = page("/metrics", WHOLE).body.decode()
OWN = """format = 0
[code.SHOP_SHUT]
sign = "bad"
summary = "Is it {{ open }}? No: *.*"
remediation = ["Open it."]
alert = true
[[pattern]]
code = "SHOP_SHUT"
any = ['shop (?:is )?shut']
match = ['ERROR - shop is shut']
"""


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_prometheus_rules_rest_on_what_metrics_show(lang):
    """Each rule asks for series, states and codes that /metrics has; its texts are those of its code."""
    pages = "https://wiki.example/{lang}/{code}"
    made = promrules.group(rules.specs, lang, "bots", runbooks=pages)["groups"][0]["rules"]
    shown = {series[1]: set(re.findall(r"(\w+)=", series[2])) for series in SERIES.finditer(SHOWN)}
    asked = [found for rule in made for found in SERIES.finditer(rule["expr"])]
    values = {value for found in asked for value in re.findall(r'(?:state|code)="(\w+)"', found[2])}

    assert len(made) > 15
    assert len({rule["alert"] for rule in made}) == len(made)
    for found in asked:
        labels = set(re.findall(r"(\w+)=", found[2]))
        assert 'job="bots"' in found[2]
        assert labels <= {"job"} | shown[found[1]], found[0]
    assert {value for value in values if f'"{value}"' not in SHOWN} == set()
    for rule in made:
        spec = rules.specs[rule["labels"]["code"]]
        assert rule["annotations"].pop("runbook_url") == f"https://wiki.example/{lang}/{spec.code}"
        assert spec.remediation_lines(lang) in rule["annotations"]["description"]
        assert re.fullmatch(r"\d+m", rule["for"])


def test_counted_codes_are_those_that_a_bot_survives():
    """What a rule counts is said by our own code, and ends no bot: a counter must live to be read."""
    source = "".join(
        file.read_text("utf-8") for file in (ROOT / "logrules").rglob("*.py") if file.stem != "promrules"
    )

    assert [code for code in promrules.SURVIVED if f'"{code}"' not in source] == []
    assert [code for code in promrules.SURVIVED if rules[code].fatal and rules[code].exit] == []


def test_yaml_says_what_was_meant():
    """The text reads back as the data, whatever the words look like: no, 1.10, colons, Cyrillic."""
    own = extended({"own.toml": OWN})
    data = [
        {
            "a": "no",
            "b": "1.10",
            "c": ["x: y", {"d": "# e", "f": []}, 7],
            "g": "",
            "h": "—\u2028\x85\t\"'\\",
            "i": {},
        },
        promrules.group(own.specs, "ru", "j"),
        *(rule for code in own for rule in sigma.rules(own.specs[code], [], "en", counted=True)),
    ]

    for each in data:
        assert yaml.safe_load(dumped(each)) == each


def test_sigma_rules_search_for_what_the_packs_say():
    """A rule has its code in our events, the words of the packs, or a pattern of one's own; ids stay."""
    own = extended({"own.toml": OWN})
    (conflict,) = sigma.rules(own.specs["CONFLICT_409"], [], "en", counted=True)
    (shop,) = sigma.rules(own.specs["SHOP_SHUT"], own.rulebook.patterns[:1], "en", counted=True)
    single, counting = sigma.rules(own.specs["HANDLER_ERROR"], [], "en", counted=True)

    assert conflict["detection"]["keywords"][:2] == [
        '"code":"CONFLICT_409"', "terminated by other getUpdates request",
    ]  # fmt: skip
    assert conflict["id"] == "8f2c21b7-971d-53a6-a595-994daa34b525"
    assert shop["detection"] == {
        "keywords": ['"code":"SHOP_SHUT"'],
        "patterns": {"|re": ["shop (?:is )?shut"]},
        "condition": "keywords or patterns",
    }
    assert counting["correlation"]["rules"] == [single["name"]]
    assert (counting["correlation"]["timespan"], counting["correlation"]["condition"]) == ("10m", {"gte": 3})


UNIT = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'logrules_info{job="bots",instance="a",service="bot",exported_instance="1",version="1"}'
        values: '1x60'
      - series: 'logrules_info{job="bots",instance="b",service="bot",exported_instance="2",version="1"}'
        values: '1x60'
      - series: 'logrules_state{job="bots",instance="a",state="polling"}'
        values: '1x20 0x40'
      - series: 'logrules_state{job="bots",instance="b",state="polling"}'
        values: '0x9 1x10 0x40'
      - series: 'logrules_info{job="bots",instance="d",service="preview",exported_instance="4",version="1"}'
        values: '1x60'
      - series: 'logrules_state{job="bots",instance="d",state="polling"}'
        values: '0x60'
      - series: 'logrules_state{job="bots",instance="d",state="preview"}'
        values: '1x60'
      - series: 'logrules_info{job="bots",instance="c",service="other",exported_instance="3",version="1"}'
        values: '1x30'
      - series: 'logrules_events_total{job="bots",instance="a",code="HANDLERS_STUCK"}'
        values: '_x10 1x50'
    alert_rule_test:
      - {eval_time: 5m, alertname: LogrulesTwoPoll}
      - eval_time: 14m
        alertname: LogrulesTwoPoll
        exp_alerts: [{exp_labels: {job: bots, service: bot, severity: critical, code: CONFLICT_409}}]
      - {eval_time: 25m, alertname: LogrulesNobodyPolls}
      - eval_time: 40m
        alertname: LogrulesNobodyPolls
        exp_alerts: [{exp_labels: {job: bots, service: bot, severity: critical, code: LOCK_WAITING}}]
      - {eval_time: 30m, alertname: LogrulesGone}
      - eval_time: 45m
        alertname: LogrulesGone
        exp_alerts: [{exp_labels: {job: bots, service: other, severity: critical, code: PROCESS_EXITED}}]
      - {eval_time: 9m, alertname: LogrulesHandlersStuck}
      - eval_time: 12m
        alertname: LogrulesHandlersStuck
        exp_alerts: [{exp_labels: {job: bots, instance: a, severity: warning, code: HANDLERS_STUCK}}]
      - {eval_time: 40m, alertname: LogrulesHandlersStuck}
"""


@pytest.mark.skipif(not PROMTOOL, reason="needs promtool (Debian: prometheus)")
def test_prometheus_takes_the_rules(tmp_path):
    """They are accepted, and fire and end when they should: no poller, two, one gone, a first event."""
    made = promrules.group(rules.specs, "en", "bots")
    (tmp_path / "rules.yml").write_text(dumped(made))
    assert subprocess.run([PROMTOOL, "check", "rules", tmp_path / "rules.yml"], check=False).returncode == 0
    for rule in made["groups"][0]["rules"]:
        rule["annotations"] = {}
    (tmp_path / "rules.yml").write_text(dumped(made))
    (tmp_path / "unit.yml").write_text(UNIT)
    done = subprocess.run(
        [PROMTOOL, "test", "rules", tmp_path / "unit.yml"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not SIGMA, reason="needs sigma-cli (PyPI)")
def test_sigma_takes_the_rules(tmp_path):
    """sigma-cli finds no error and no fault in any of them, those that count included."""
    made = [
        dumped(rule)
        for code, known in rules.items()
        if known.alert
        for rule in sigma.rules(known.spec, [], "en", counted=True)
    ]
    file = tmp_path / "logrules.sigma.yml"
    file.write_text("---\n".join(made))
    done = subprocess.run([SIGMA, "check", file], capture_output=True, text=True, check=False)

    assert "Found 0 errors, 0 condition errors and 0 issues" in done.stdout + done.stderr
