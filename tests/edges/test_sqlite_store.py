"""Incidents and outbox in a real SQLite file, with real processes that die."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from logrules.core.alerting.delivery import DELIVERED, rejected, retry
from logrules.core.alerting.incidents import Outcome
from logrules.core.alerting.ledger import Waiting
from logrules.core.alerting.silences import LONGEST, Silence
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.stores.sqlite import database, outbox, rows, schema
from logrules.stores.sqlite.store import OTHERS, Store

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PASSWORD = "s3cr3t-of-the-db"
DSN_KEY = "0123456789abcdef0123456789abcdef"
START = 1_800_000_000.0
REPEAT = rules["CONFLICT_409"].alert.repeat


def make_match(code="CONFLICT_409", **changes):
    spec = rules.specs[code]
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409", "service": "bot"}
    fields |= {"instance": "a", "time": START, "proved": True}
    return Match(code=code, **{**fields, **changes})


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class Opener:
    """Opens stores on one file, and hears of their failures."""

    def __init__(self, folder, clock):
        self.path = folder / "state" / "alerts.db"
        self.clock = clock
        self.failures: list[str] = []
        self.stores: list[Store] = []

    def __call__(self, path="same", sinks=("sentry",), redact=Redactor()):  # noqa: B008
        store = Store(
            self.path if path == "same" else path,
            rules.specs,
            sinks,
            redact=redact,
            on_failure=self.failures.append,
            clock=self.clock,
        )
        self.stores.append(store)
        return store


@pytest.fixture
def opened(tmp_path, clock):
    """Open stores on one file; all are closed at the end."""
    opener = Opener(tmp_path, clock)
    yield opener
    for store in opener.stores:
        store.close()


def test_alert_is_in_the_file_before_take_returns(opened):
    """A second process sees incident and alert as soon as `take` has returned."""
    decision = opened().take(make_match())
    other = opened()

    assert decision.outcome is Outcome.OPENED
    assert [alert.event_id for alert in other.undelivered()] == [decision.alert.event_id]
    assert [row.key for row in other.open_incidents()] == [("bot", "CONFLICT_409", None)]


def test_incident_survives_a_restart(opened):
    """A process that starts again counts on, and tells nobody twice."""
    opened().take(make_match())
    again = opened()

    assert again.take(make_match()).outcome is Outcome.COUNTED
    assert again.open_incidents()[0].count == 2


def test_delivered_alert_is_gone(opened):
    """What a receiver took is never claimed again, by nobody."""
    store = opened()
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", DELIVERED)

    assert store.claim("sentry") is None
    assert opened().undelivered() == []
    assert store.due("sentry") is None


def test_each_alert_has_one_sender(opened, clock):
    """Two processes on one file never hold the same alert, until the first ends or its lease is over."""
    first, second = opened(), opened()
    alert = first.take(make_match()).alert

    assert first.claim("sentry") == alert
    assert second.claim("sentry") is None
    assert second.due("sentry") == clock.now + outbox.LEASE
    clock.now += outbox.LEASE
    assert second.claim("sentry") == alert
    second.close()
    assert first.claim("sentry") == alert


def test_text_waits_for_its_proof(opened, clock):
    """An alert that rests on text is not sent for some seconds: its proof makes one louder alert of both."""
    store = opened()
    store.take(make_match(fatal=False, proved=False, line=3))

    assert store.claim("sentry") is None
    assert clock.now < store.due("sentry") < clock.now + 10
    assert [alert.level for alert in opened().undelivered()] == ["warning"]
    store.take(make_match(line=3))
    assert store.due("sentry") <= clock.now
    alert = store.claim("sentry")
    assert alert.level == "fatal"
    assert (alert.count, alert.suppressed, alert.number) == (1, 0, 1)
    assert [row.alerts for row in store.open_incidents()] == [1]
    store.settle(alert, "sentry", DELIVERED)
    assert store.due("sentry") is None


def test_text_without_proof_is_told_all_the_same(opened, clock):
    """When nothing has proved it in time, or the process is about to end, text is told as what it is."""
    store = opened()
    store.take(make_match(proved=False, service="dying"))
    assert store.due("sentry", hurry=True) <= clock.now
    assert store.claim("sentry", hurry=True).service == "dying"
    store.take(make_match(proved=False))
    clock.now = max(clock.now, *filter(None, [store.due("sentry")]))

    assert store.claim("sentry").level == "warning"


def test_crash_loop_is_told_once_in_each_repeat_interval(opened, clock):
    """Every ten seconds for an hour a bot prints its good signs and dies, then for the rest of a day."""
    store, sent = opened(path=None), []  # that rows survive each turn on a disk, other tests hold

    def turn():
        for code in ("LOCK_ACQUIRED", "POLLING_STARTED"):
            store.take(make_match(code))
        store.take(make_match(fatal=False, proved=False))
        store.take(make_match())
        while alert := store.claim("sentry", hurry=True):
            sent.append(alert)
            store.settle(alert, "sentry", DELIVERED)

    for _ in range(360):
        turn()
        clock.now += 10
    assert [(alert.level, alert.count) for alert in sent] == [("fatal", 2)]
    while clock.now < START + 24 * 3600:
        turn()
        clock.now += 280

    assert [alert.level for alert in sent] == ["fatal"] * 6
    assert {int(alert.last_seen - START) // int(REPEAT) for alert in sent} == set(range(6))


def test_crash_loop_without_a_disk_has_one_id_in_each_repeat_window(opened, clock):
    """Where nothing survives a turn, all turns of one window tell under one id, which receivers fold."""
    clock.now = START - START % REPEAT
    ids = []
    for _ in range(40):
        store = opened(path=None)
        store.take(make_match(fatal=False, proved=False))
        store.take(make_match())
        ids += [alert.event_id for alert in store.undelivered()]
        clock.now += REPEAT / 20

    assert len(ids) == 40
    assert len(set(ids[:20])) == len(set(ids[20:])) == 1
    assert ids[0] != ids[20]


def test_only_a_capture_waits_for_the_disk(opened):
    """What is captured is on disk for good; that it was sent is not worth a wait: at worst it comes twice."""
    store = opened()

    def levels(work):
        said: list[str] = []
        store._database._db.set_trace_callback(said.append)
        work()
        store._database._db.set_trace_callback(None)
        return [each.rpartition(" ")[2] for each in said if "synchronous" in each]

    assert levels(lambda: store.take(make_match())) == ["FULL"]
    alert = store.undelivered()[0]
    assert levels(lambda: store.claim("sentry")) == ["NORMAL"]
    assert levels(lambda: store.settle(alert, "sentry", DELIVERED)) == ["NORMAL"]
    assert levels(lambda: store.take(make_match(service="b"))) == ["FULL"]


def test_each_sink_has_its_own_row(opened):
    """What one receiver took is still there for the other."""
    store = opened(sinks=("sentry", "telegram"))
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", DELIVERED)
    (alert,) = store.undelivered()

    assert store.claim("telegram") is not None
    assert store.missed_by(alert) == ["telegram"]


def test_failure_rests_the_sink_for_longer_each_time(opened, clock):
    """After each failure the wait doubles, within its jitter; the event id stays."""
    store, waits, ids = opened(), [], set()
    store.take(make_match())
    for _ in range(12):
        alert = store.claim("sentry")
        ids.add(alert.event_id)
        store.settle(alert, "sentry", retry("down"))
        assert store.claim("sentry") is None
        waits.append(store.due("sentry") - clock.now)
        clock.now = store.due("sentry")

    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:10]))
    assert 450 <= waits[11] <= 900
    assert len(ids) == 1


def test_hurry_skips_our_own_rest_but_not_the_receivers(opened, clock):
    """A dying process tries on, which makes no rest longer, unless the receiver itself asked for quiet."""
    store = opened()
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", retry("down"))
    rest = store.due("sentry")

    for _ in range(20):
        store.settle(store.claim("sentry", hurry=True), "sentry", retry("still down"))
    assert store.due("sentry") == rest
    assert store.ledger().resting[0].why == "still down"
    store.settle(store.claim("sentry", hurry=True), "sentry", retry("429", after=50))
    assert store.claim("sentry", hurry=True) is None
    opened().rouse()
    assert opened().due("sentry") == clock.now + 50


@pytest.mark.parametrize("is_settled", [True, False])
def test_clock_set_back_blocks_no_sender(opened, clock, is_settled):
    """Claims and rests that lie impossibly far ahead were made by a wrong clock, and bind nobody."""
    store = opened()
    clock.now += 10 * 365 * 86400
    store.take(make_match())
    if is_settled:
        store.settle(store.claim("sentry"), "sentry", retry("down", after=3600))
    else:
        store.claim("sentry")
    clock.now = START

    assert store.due("sentry") <= START
    assert store.claim("sentry") is not None


def test_rejected_alert_is_kept_aside(opened):
    """What a receiver refuses for good is not tried again, and not forgotten."""
    store = opened()
    store.take(make_match())
    alert = store.claim("sentry")
    store.settle(alert, "sentry", rejected("401"))

    assert store.undelivered() == []
    assert store.due("sentry") is None
    assert store.ledger().waiting == [Waiting("sentry", alert, refused="401")]


def test_waiting_repeats_become_one_alert(opened, clock):
    """After a long outage of the receiver one alert with the whole count goes out, not one per interval."""
    store = opened()
    for _ in range(5):
        store.take(make_match())
        clock.now += REPEAT
    (alert,) = store.undelivered()

    assert (alert.count, alert.number, alert.first_seen) == (5, 5, START)


def test_waiting_alert_counts_on(opened, clock):
    """What was seen while an alert waited is in its count when it goes out."""
    store = opened()
    for at in range(4):
        clock.now = START + at
        store.take(make_match())
    alert = store.claim("sentry")

    assert (alert.count, alert.first_seen, alert.last_seen) == (4, START, START + 3)
    store.take(make_match())
    store.settle(alert, "sentry", DELIVERED)
    assert [(row.count, row.suppressed) for row in store.open_incidents()] == [(5, 1)]


def test_quiet_repeat_does_not_replace_a_louder_alert(opened, clock):
    """A fatal alert that waits and a warning about the same are one fatal alert, with both in its count."""
    store = opened()
    store.take(make_match(message="proved"))
    clock.now += REPEAT
    store.take(make_match(proved=False, message="read"))
    (alert,) = store.undelivered()

    assert (alert.level, alert.fatal, alert.message) == ("fatal", True, "proved")
    assert (alert.count, alert.suppressed, alert.number) == (2, 1, 2)


def test_alert_that_comes_back_is_folded_into_its_successor(opened, clock):
    """What a receiver sends back with 429 goes out as one with what was taken meanwhile, and its count."""
    store = opened(sinks=("sentry", "telegram"))
    store.take(make_match(proved=False))
    held = store.claim("sentry", hurry=True)
    assert store.take(make_match()).outcome is Outcome.ESCALATED
    assert len(store.undelivered()) == 2
    store.settle(held, "sentry", retry("429", after=60))
    clock.now += 61
    store.take(make_match())
    alert = store.claim("sentry")

    assert (alert.count, alert.suppressed, alert.number, alert.level) == (3, 2, 2, "fatal")
    assert alert.event_id != held.event_id
    store.settle(alert, "sentry", DELIVERED)
    assert store.due("sentry") is None
    assert store.claim("telegram").count == 3


def test_incidents_of_one_kind_become_one_alert(opened, clock):
    """While a receiver is away an incident ends and the next one begins: one alert, which counts both."""
    store, code = opened(), rules.specs["CONFLICT_409"]
    for _ in range(3):
        store.take(make_match())
    store.take(make_match("POLLING_STARTED"))
    clock.now += code.resolve_after
    store.take(make_match())
    (alert,) = store.undelivered()

    assert (alert.before, alert.count, alert.first_seen) == (3, 1, clock.now)
    assert alert.closed_at is None


def test_good_sign_that_stands_closes_the_incident(opened, clock):
    """POLLING_STARTED, standing for long enough, ends an open conflict."""
    store, code = opened(), rules.specs["CONFLICT_409"]
    good = next(iter(code.resolved_by))
    store.take(make_match())
    store.take(make_match(good))
    clock.now += code.resolve_after

    assert store.open_incidents() == []
    assert store.take(make_match()).outcome is Outcome.OPENED


def test_end_of_a_told_incident_is_told_once(opened, clock):
    """As soon as its good sign has stood for long enough, and by whichever process looks first."""
    store, code = opened(), rules.specs["CONFLICT_409"]
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", DELIVERED)
    store.take(make_match("POLLING_STARTED"))

    assert store.due("sentry") == START + code.resolve_after
    assert store.claim("sentry") is None
    clock.now += code.resolve_after
    end = store.claim("sentry")
    assert (end.is_end, end.closed_at, end.count, end.level) == (True, clock.now, 1, "info")
    assert opened().claim("sentry") is None
    assert opened().open_incidents() == []


def test_end_is_told_by_another_where_its_witness_is_gone(opened, clock):
    """Who has not heard the good sign leaves it for a while to whoever has, perhaps on another machine."""
    code = rules.specs["CONFLICT_409"]
    first = opened()
    first.take(make_match())
    first.settle(first.claim("sentry"), "sentry", DELIVERED)
    first.take(make_match("POLLING_STARTED"))
    second = opened()
    clock.now += code.resolve_after

    assert second.open_incidents() == []
    assert second.due("sentry") == clock.now + OTHERS
    assert second.claim("sentry") is None
    clock.now += OTHERS
    assert second.claim("sentry").closed_at == START + code.resolve_after


def test_end_of_what_nobody_was_told_of_is_not_told(opened, clock):
    """An incident that was silenced, inhibited or counted only ends as quietly as it was."""
    store, code = opened(), rules.specs["PROCESS_EXITED"]
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", DELIVERED)
    assert store.take(make_match("PROCESS_EXITED")).outcome is Outcome.INHIBITED
    for good in code.resolved_by | rules.specs["CONFLICT_409"].resolved_by:
        store.take(make_match(good))
    clock.now += max(code.resolve_after, rules.specs["CONFLICT_409"].resolve_after)

    assert store.claim("sentry").code == "CONFLICT_409"
    assert store.claim("sentry") is None
    assert store.open_incidents() == []


def test_end_is_told_with_the_alert_that_still_waits(opened, clock):
    """An incident that ended before anybody could be told of it is one alert that says both."""
    store, code = opened(), rules.specs["CONFLICT_409"]
    alert = store.take(make_match()).alert
    store.take(make_match("POLLING_STARTED"))
    clock.now += code.resolve_after
    told = store.claim("sentry")

    assert (told.event_id, told.level, told.closed_at) == (alert.event_id, "fatal", clock.now)
    assert not told.is_end
    store.settle(told, "sentry", DELIVERED)
    assert store.due("sentry") is None


def test_end_that_is_old_news_is_not_told(opened, clock):
    """An end that waits while the same begins anew would only confuse: what is open counts."""
    store, code = opened(), rules.specs["CONFLICT_409"]
    store.take(make_match())
    store.settle(store.claim("sentry"), "sentry", DELIVERED)
    store.take(make_match("POLLING_STARTED"))
    clock.now += code.resolve_after
    store.take(make_match())
    (alert,) = store.undelivered()

    assert (alert.is_end, alert.closed_at, alert.before) == (False, None, 0)


def test_consequence_of_an_open_incident_is_inhibited(opened):
    """While a conflict is open, what it inhibits is counted and not told; another service's still is."""
    store, inhibited = opened(), "PROCESS_EXITED"
    assert inhibited in rules.specs["CONFLICT_409"].inhibits
    store.take(make_match())

    assert store.take(make_match(inhibited)).outcome is Outcome.INHIBITED
    assert store.take(make_match(inhibited, service="other")).outcome is not Outcome.INHIBITED


def make_silence(**changes):
    fields = {"code": "CONFLICT_409", "since": START, "until": START + 3600, "why": "deploy"}
    return Silence(**{**fields, **changes})


def test_silence_keeps_everybody_quiet_and_counts_on(opened, clock):
    """What is silenced, by another process even, is counted and not told; when it is over, it is told."""
    store = opened()
    opened().silence(make_silence())
    outcomes = [store.take(make_match()).outcome for _ in range(3)]
    clock.now += 3600
    decision = store.take(make_match())

    assert outcomes == [Outcome.SILENCED] * 3
    assert decision.outcome is Outcome.OPENED
    assert (decision.alert.count, decision.alert.suppressed) == (4, 3)


@pytest.mark.parametrize(
    ("silence", "match", "outcome"),
    [
        (make_silence(service="bot"), make_match(), Outcome.SILENCED),
        (make_silence(service="other"), make_match(), Outcome.OPENED),
        (make_silence(code="LOCK_FENCED"), make_match(), Outcome.OPENED),
        (make_silence().ended(START), make_match(), Outcome.OPENED),
        (make_silence(until=START + LONGEST + 1), make_match(), Outcome.OPENED),
    ],
    ids=["its service", "another service", "another code", "taken back", "of a clock that ran ahead"],
)
def test_silence_covers_what_it_names(opened, silence, match, outcome):
    """A silence is about one code of one service or of all, and ends when it is taken back."""
    store = opened()
    store.silence(make_silence(code=silence.code, service=silence.service, since=START - 1))
    store.silence(silence)

    assert store.take(match).outcome is outcome


def test_last_word_about_a_code_counts(opened):
    """An older silence that comes late, as over a mirror, takes nothing back."""
    store, newer = opened(), make_silence(since=START + 5, why="newer")
    store.silence(newer)
    store.silence(make_silence(why="older"))

    assert store.ledger().silences == [newer]


def test_flood_of_incidents_is_limited(opened, clock):
    """Many incidents at once tell of the first ones only, and of every proved fatal one."""
    store = opened()
    took = [store.take(make_match(service=f"s{n}", proved=False)).outcome for n in range(rows.LIMIT + 2)]

    assert took[-3:] == [Outcome.OPENED, Outcome.LIMITED, Outcome.LIMITED]
    assert store.take(make_match(service="fatal")).outcome is Outcome.OPENED
    clock.now += rows.LIMIT_WITHIN
    assert store.take(make_match(service="later", proved=False)).outcome is Outcome.OPENED


def test_interrupted_take_can_take_again(opened):
    """A match taken by a signal handler in the midst of another is counted with it, and breaks nothing."""
    inner: list[Outcome | None] = []

    def interrupting(text):
        if not inner:
            inner.append(None)
            inner.append(store.take(make_match(service="inner")).outcome)
        return text

    store = opened(redact=interrupting)
    store.take(make_match(service="outer"))

    assert inner[1] is Outcome.OPENED
    assert {row.service for row in opened().open_incidents()} == {"inner", "outer"}
    assert opened.failures == []


def test_history_keeps_the_latest_of_lock_and_polling(opened, monkeypatch):
    """Signs of lock and polling are kept in order, with epoch and instance, and only so many."""
    monkeypatch.setattr(rows, "HISTORY", 5)
    store = opened()
    good = next(iter(rules.specs["CONFLICT_409"].resolved_by))
    for epoch in range(8):
        store.take(make_match(good, epoch=epoch, instance=f"i{epoch}"))
    store.take(make_match())

    assert [(entry.epoch, entry.instance) for entry in store.history()] == [(n, f"i{n}") for n in range(3, 8)]


def test_unknown_code_is_no_error(opened):
    """A code that no pack describes wakes nobody and breaks nothing."""
    assert opened().take(msgspec.structs.replace(make_match(), code="NEVER_HEARD_OF")) is None


def test_only_the_owner_reads_the_file(opened, tmp_path):
    """The file and its side files are readable by their owner only, also where they were wider before."""
    path = tmp_path / "wide.db"
    path.touch(mode=0o644)
    opened(path).take(make_match())

    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("wide.db*")}
    assert modes == {0o600}


def test_no_secret_reaches_the_disk(opened, tmp_path):
    """Token, database password and DSN key are hidden before the outbox, whatever field carries them."""
    url = f"postgres://bot:{PASSWORD}@db/x"
    dsn = f"https://{DSN_KEY}@o1.ingest.sentry.io/1"
    text = f"{TOKEN} {url} {dsn}"
    match = make_match(message=text, evidence=text * 5000, attrs={"url": url, text: [dsn, {"token": TOKEN}]})
    store = opened(redact=Redactor([TOKEN, PASSWORD, DSN_KEY]))
    store.take(match)
    store.take(make_match("POLLING_STARTED", message=text))
    store.settle(store.claim("sentry"), "sentry", rejected(text))
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert len(written) > 4096
    assert not [s for s in (TOKEN, TOKEN[7:], PASSWORD, DSN_KEY) if s.encode() in written]


def test_hostile_evidence_is_bounded_and_kept(opened):
    """10 MB of evidence, lone surrogates, NULs, unspeakable objects: the alert is there, and small."""
    loop: dict[str, object] = {}
    loop["self"] = loop
    store = opened()
    store.take(
        make_match(
            message="\ud800\0" + "м" * 10_000, evidence="\udcff\0x" * 3_000_000, attrs={"o": object(), **loop}
        )
    )
    (alert,) = store.undelivered()

    assert len(alert.evidence) < 2100
    assert len(alert.message) <= 2000


def test_many_threads_lose_no_count(opened):
    """Sixteen threads on one store: every match is counted."""
    store = opened()
    threads = [
        threading.Thread(target=lambda: [store.take(make_match()) for _ in range(25)]) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.open_incidents()[0].count == 400


WRITER = """
    import sys, time
    from pathlib import Path
    from logrules.core.match import Match
    from logrules.rules import rules
    from logrules.stores.sqlite.store import Store

    def fail(text):
        sys.exit("store failed: " + text)

    store = Store(Path(sys.argv[1]), rules.specs, ["sentry"], redact=str, on_failure=fail)
    code = rules.specs["CONFLICT_409"]
    for number in range(int(sys.argv[3])):
        match = Match(code="CONFLICT_409", fatal=True, level=code.severity, message="m", proved=True,
                      service=f"{sys.argv[2]}-{number}", instance="i", time=time.time())
        store.take(match)
        print(number, flush=True)
"""


def writer(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), name, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("lines", [1, 7, 23])
def test_sigkill_loses_nothing_taken(opened, tmp_path, lines):
    """Whatever `take` had returned for is in the file after SIGKILL, whole, with its incident."""
    path = tmp_path / "alerts.db"
    with writer(path, "s", 100_000) as process:
        printed = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        printed += process.stdout.readlines()
    store = opened(path)
    services = {alert.service for alert in store.undelivered()}

    assert process.returncode == -signal.SIGKILL
    assert {f"s-{line.strip()}" for line in printed if line.endswith("\n")} <= services
    assert services == {row.service for row in store.open_incidents()}
    assert opened.failures == []


def test_processes_share_one_new_file(opened, tmp_path):
    """Processes that start at once on a file that is not there yet all write into it."""
    path = tmp_path / "alerts.db"
    processes = [writer(path, f"p{n}", 5) for n in range(4)]
    outputs = [process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len(opened(path).undelivered()) == 20


def test_fork_opens_its_own_connection(opened):
    """A child made by fork writes through its own connection, and the parent's goes on."""
    store = opened()
    store.take(make_match())
    pid = os.fork()
    if pid == 0:
        os._exit(0 if store.take(make_match()).outcome is Outcome.COUNTED else 1)
    _, status = os.waitpid(pid, 0)

    assert status == 0
    assert store.take(make_match()).incident.count == 3


def test_fork_amid_a_transaction_of_another_thread(opened, monkeypatch):
    """A child that is forked while another thread writes finds the file free, and writes to it."""
    monkeypatch.setattr(database, "BUSY", 0.2)
    store = opened()
    writing, go_on = threading.Event(), threading.Event()

    def work(db):
        writing.set()
        threading.Timer(0.1, go_on.set).start()
        go_on.wait()

    writer = threading.Thread(target=store._database.run, args=(work,))
    writer.start()
    writing.wait()
    pid = os.fork()
    if pid == 0:
        store.take(make_match())
        os._exit(0 if store._database._on_disk else 1)
    _, status = os.waitpid(pid, 0)
    writer.join()

    assert status == 0
    assert store.take(make_match()).outcome is Outcome.COUNTED


def test_closing_beside_somebody_who_waits(opened):
    """Whoever waits for the store while another thread closes it opens it anew."""
    store = opened()
    told = []
    with store._database._lock:
        waiting = threading.Thread(target=lambda: told.append(store.take(make_match()).outcome))
        waiting.start()
        waiting.join(0.1)
        store.close()
    waiting.join()

    assert told == [Outcome.OPENED]


class TestUnusableFile:
    """A file that cannot be used is said once, and the process goes on in memory."""

    def works(self, store, failures, *words):
        outcomes = [store.take(make_match(service="x")).outcome for _ in range(2)]

        assert outcomes == [Outcome.OPENED, Outcome.COUNTED]
        assert len(failures) == 1
        assert all(word in failures[0] for word in words), failures[0]

    def test_corrupt_from_the_start(self, opened, tmp_path):
        """A file that is no database stays as it is."""
        path = tmp_path / "alerts.db"
        path.write_bytes(b"no database at all" * 500)
        self.works(opened(path), opened.failures, str(path), "mv ")

        assert path.read_bytes() == b"no database at all" * 500

    def test_corrupted_while_open(self, opened, tmp_path):
        """What is corrupted under a running process does not stop it."""
        path = tmp_path / "alerts.db"
        opened(path).close()
        store = opened(path)
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        self.works(store, opened.failures, "mv ")

    @pytest.mark.parametrize(
        ("place", "words"), [(b"sentrybot 50CONFLICT_409", "mv "), (b'"service":"bot 50"', "check that disk")]
    )
    def test_page_that_is_broken(self, opened, tmp_path, place, words):
        """Of a file with a broken page in its midst everything else is still told."""
        path, services = tmp_path / "alerts.db", [f"bot {number}" for number in range(100)]
        store = opened(path)
        store.take_all([make_match(service=service, evidence="x" * 1500) for service in services])
        store.close()
        content = path.read_bytes()
        page = content.index(place) // 4096 * 4096
        path.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])
        store = opened(path)
        left = {alert.service for alert in store.undelivered()}

        assert 90 <= len(left) < 100
        assert {"bot 0", "bot 99"} <= left
        self.works(store, opened.failures, words)

    def test_rows_that_make_no_sense(self, opened, tmp_path):
        """Rows with a byte that has changed are left out and said once; all others, and what comes, go on."""
        path, services = tmp_path / "alerts.db", ["bot", "whole", "odd", "no text", "no number"]
        store = opened(path)
        for service in services:
            store.take(make_match(service=service))
        store.silence(Silence(code="CONFLICT_409", service="else", since=START, until=START + 9, why="x"))
        store.settle(store.claim("sentry"), "sentry", retry("down"))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE outbox SET alert = x'7b22' WHERE service = 'bot'")
            db.execute("UPDATE incidents SET recent = '[oops' WHERE service = 'odd'")
            db.execute("UPDATE incidents SET sighting = cast(x'ff' AS TEXT) WHERE service = 'no text'")
            db.execute("UPDATE incidents SET count = 'many' WHERE service = 'no number'")
            db.execute("UPDATE silences SET until = 'always'")
            db.execute("UPDATE holds SET until = 'never'")

        assert store.take(make_match(service="whole")).outcome is Outcome.COUNTED
        assert store.take(make_match(service="bot")).outcome is Outcome.OPENED  # nobody was told
        assert {alert.service for alert in store.undelivered()} == set(services)
        assert {row.service for row in store.open_incidents()} == {"bot", "whole"}
        (said,) = opened.failures
        assert all(word in said for word in (str(path), "alert CONFLICT_409", "incident CONFLICT_409", " …"))
        assert store.due("sentry") <= START

    @pytest.mark.parametrize("is_replaced", [False, True])
    def test_file_that_is_removed(self, opened, tmp_path, is_replaced):
        """Who tidies up under a running bot takes nothing from it: the file is made anew, with all it had."""
        path = tmp_path / "alerts.db"
        store = opened(path)
        store.take(make_match(service="before"))
        for file in tmp_path.glob("alerts.db*"):
            file.unlink()
        if is_replaced:
            opened(path).take(make_match(service="other"))
        assert store.take(make_match(service="before")).outcome is Outcome.COUNTED
        store.take(make_match(service="after"))
        left = {alert.service: alert.count for alert in opened(path).undelivered()}

        assert left == {"before": 1, "after": 1} | ({"other": 1} if is_replaced else {})
        assert {row.service: row.count for row in store.open_incidents()}["before"] == 2
        assert opened.failures == []

    def test_another_programs_database(self, opened, tmp_path):
        """We add nothing to a database that is not ours."""
        path = tmp_path / "users.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE users (id)")
        db.close()
        before = path.read_bytes()
        self.works(opened(path), opened.failures, "another program", "LOGRULES_STATE")

        assert path.read_bytes() == before

    def test_newer_schema(self, opened, tmp_path):
        """A file of a later logrules is left alone."""
        path = tmp_path / "alerts.db"
        opened(path).close()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        self.works(opened(path), opened.failures, "schema 99")

    def test_earlier_schema(self, opened, tmp_path):
        """A file of an earlier logrules is brought up to date, and keeps what is in it."""
        path = tmp_path / "alerts.db"
        with sqlite3.connect(path) as db:
            db.executescript(schema._SCHEMA_1)
            db.execute(f"PRAGMA application_id = {schema.APPLICATION}")
            db.execute("PRAGMA user_version = 1")
            db.execute("INSERT INTO holds (sink, until, asked, failures) VALUES ('sentry', 7, 1, 2)")
        db.close()
        store = opened(path)
        store.silence(make_silence())

        assert store.ledger().resting == [("sentry", 7.0, 2, "")]
        assert opened(path).ledger().silences == [make_silence()]
        assert opened.failures == []

    @pytest.mark.parametrize("path", ["/proc/logrules/alerts.db", "/dev/null/alerts.db"])
    def test_folder_that_cannot_be_made(self, opened, path):
        """A place where nothing can be written, even by root."""
        self.works(opened(Path(path)), opened.failures, path, "LOGRULES_STATE")

    def test_folder_instead_of_a_file(self, opened, tmp_path):
        """LOGRULES_STATE names a folder."""
        self.works(opened(tmp_path), opened.failures, "LOGRULES_STATE")

    def test_held_by_another_program(self, opened, tmp_path, monkeypatch):
        """Somebody holds the write lock for long: the bot does not wait for ever, and keeps its incidents."""
        monkeypatch.setattr(database, "BUSY", 0.05)
        path = tmp_path / "alerts.db"
        store = opened(path)
        store.take(make_match())
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            self.works(store, opened.failures, "fuser")
        finally:
            holder.close()

        assert store.take(make_match()).outcome is Outcome.COUNTED

    def test_used_again_when_it_can_be(self, opened, tmp_path, monkeypatch):
        """A file that nobody holds any more gets what was counted meanwhile; what was told stays told."""
        monkeypatch.setattr(database, "BUSY", 0.05)
        monkeypatch.setattr(database, "RETURN", 0.0)
        path = tmp_path / "alerts.db"
        store = opened(path)
        store.take(make_match(service="told"))
        store.take(make_match(service="waits"))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            store.take(make_match("LOCK_ACQUIRED"))
            store.take(make_match(service="new"))
            store.take(make_match(service="waits"))
            told = store.claim("sentry")
            store.settle(told, "sentry", DELIVERED)
        finally:
            holder.close()
        store.take(make_match(service="after"))
        other = opened(path)

        assert told.service == "told"
        assert [alert.service for alert in other.undelivered()] == ["waits", "new", "after"]
        assert {row.service: row.count for row in other.open_incidents()} == {
            "told": 1,
            "waits": 2,
            "new": 1,
            "after": 1,
        }
        assert [moment.code for moment in other.history()] == ["LOCK_ACQUIRED"]
        assert len(opened.failures) == 1
        assert store._database._db.execute("PRAGMA busy_timeout").fetchone() == (50,)

    def test_full_disk(self, tmp_path):
        """When the disk is full the process goes on with all that it had, and says so once."""
        program = textwrap.dedent("""
            import resource, sys
            from pathlib import Path
            from logrules.core.match import Match
            from logrules.rules import rules
            from logrules.stores.sqlite.store import Store

            failures = []
            store = Store(Path(sys.argv[1]), rules.specs, ["sentry"], redact=str, on_failure=failures.append)
            severity = rules.specs["CONFLICT_409"].severity
            take = lambda n: store.take(Match(code="CONFLICT_409", fatal=True, level=severity, proved=True,
                message="m" * 1000, service=f"s{n}", instance="i", time=1.0))
            take(0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            for number in range(1, 200):
                take(number)
            assert len(store.undelivered()) == 200, len(store.undelivered())
            assert len(failures) == 1, failures
            print(failures[0])
        """)
        command = [sys.executable, "-c", program, str(tmp_path / "alerts.db")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
        assert "cannot be used" in done.stdout


def test_memory_store_has_no_file(opened):
    """Without a path everything works, in memory."""
    store = opened(path=None)

    assert [store.take(make_match()).outcome for _ in range(2)] == [Outcome.OPENED, Outcome.COUNTED]
    assert len(store.undelivered()) == 1


def test_without_sinks_incidents_are_still_kept(opened):
    """Counting works where nobody is told."""
    store = opened(sinks=())
    store.take(make_match())

    assert store.open_incidents()[0].count == 1
    assert store.undelivered() == []


def test_what_is_no_file_is_left_as_it_is(opened, tmp_path):
    """A state path that is a pipe or a device is refused, and stays open to everybody who used it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    store = opened(path=pipe)

    assert stat.S_IMODE(pipe.stat().st_mode) == 0o666
    assert store.take(make_match()).outcome is Outcome.OPENED
    assert any("not a file" in failure for failure in opened.failures)
