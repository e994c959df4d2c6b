"""What probes and Prometheus are told of a bot."""

from __future__ import annotations

import json

import pytest

from logrules.core.guarding.health import Health, Phase, page


def health(phase, **more):
    return Health(phase=phase, service="shop", instance="one", version="1.2", since=1_700_000_000.0, **more)


@pytest.mark.parametrize(
    ("phase", "healthy", "ready"),
    [
        (Phase.PREVIEW, 200, 503),
        (Phase.DELAYED, 200, 503),
        (Phase.WAITING, 200, 503),
        (Phase.STARTING, 200, 503),
        (Phase.POLLING, 200, 200),
        (Phase.STALLED, 503, 503),
        (Phase.LOST, 503, 503),
        (Phase.STOPPING, 200, 503),
        (Phase.PARKED, 200, 503),
    ],
)
def test_probes(phase, healthy, ready):
    """A standby is healthy: a platform that restarted it would never get it to its turn."""
    assert page("/healthz", health(phase)).status == healthy
    assert page("/readyz", health(phase)).status == ready


def test_facts():
    """The answer says what is known, and leaves out what is not."""
    body = json.loads(page("/healthz", health(Phase.WAITING, holder="two")).body)

    assert body == {
        "state": "waiting",
        "since": 1_700_000_000.0,
        "service": "shop",
        "instance": "one",
        "version": "1.2",
        "holder": "two",
    }


def test_metrics():
    """Each metric has help and type, one state is 1, and no name can break the format."""
    told = health(Phase.POLLING, last_poll=1_700_000_001.5, events={"LOCK_LOST": 2}, holder="two")
    odd = page(
        "/metrics", Health(phase=Phase.POLLING, service='a"\\\n', instance="i", version="v", since=0.0)
    )
    lines = page("/metrics", told).body.decode().splitlines()
    states = [line for line in lines if line.startswith("logrules_state{")]

    assert 'logrules_events_total{code="LOCK_LOST"} 2' in lines
    assert "logrules_last_poll_timestamp_seconds 1700000001.5" in lines
    assert 'logrules_lock_holder{holder="two"} 1' in lines
    assert [line for line in states if line.endswith(" 1")] == ['logrules_state{state="polling"} 1']
    assert len(states) == len(Phase)
    assert not any("last_proof" in line for line in lines)
    assert b'service="a\\"\\\\\\n"' in odd.body


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/secret", 404), ("/healthz/", 404)])
def test_other_paths(path, status):
    """They say what there is."""
    answer = page(path, health(Phase.POLLING))

    assert answer.status == status
    assert b"/healthz" in answer.body
