"""Incidents and unsent alerts over the loss of a disk: real files, a real PostgreSQL, real deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from logrules.alerts import open_alerts
from logrules.core.alerting.delivery import DELIVERED, rejected
from logrules.core.alerting.incidents import Outcome
from logrules.core.alerting.silences import Silence
from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import UnavailableError
from logrules.core.match import Match
from logrules.core.redact import Redactor
from logrules.rules import rules
from logrules.settings import Settings
from logrules.stores import postgres as mirrors
from logrules.stores.postgres import Mirror, MirrorDesk, MirrorError
from logrules.stores.sqlite.store import OTHERS, Store
from logrules.testing import PostgresServer
from logrules.testing.ports import free_port

TOKEN = "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PASSWORD = "s3cr3t-of-the-db"
PATIENCE = 30.0
KINDS = "select kind from logrules.state order by 1"
ROWS = "select kind, service, key from logrules.state order by 1, 2, 3"


def make_match(code="CONFLICT_409", **changes):
    spec = rules.specs[code]
    fields = {"fatal": spec.fatal, "level": spec.severity, "message": "409", "service": "bot"}
    fields |= {"instance": "a", "time": time.time(), "proved": True}
    return Match(code=code, **{**fields, **changes})


@pytest.fixture
def database(postgres):
    """A database that no bot has ever used."""
    postgres.query("drop schema if exists logrules cascade")
    return postgres


def address(url):
    """What a setting becomes."""
    parsed = parse(url)
    assert parsed is not None
    return parsed


class Place:
    """One machine: its disk, its process, its way to the mirror."""

    def __init__(self, path, url, sinks=("sentry",), service="bot", clock=time.time):
        self.store = Store(
            path, rules.specs, sinks, redact=str, on_failure=pytest.fail, holds=True, clock=clock
        )
        self.failures: list[str] = []
        self.mirror = Mirror(
            address(url),
            self.store,
            self.store.release,
            self.failures.append,
            name="logrules-state/bot/a",
            service=service,
            sinks=sinks,
        )
        self.mirror.start()

    def agree(self):
        """A whole round, from here on."""
        self.mirror.wake()
        assert self.mirror.settle(PATIENCE), self.failures

    def unsent(self):
        return [waiting.alert.event_id for waiting in self.store.ledger().waiting]

    def close(self):
        self.mirror.close(PATIENCE)
        assert not self.mirror._thread.is_alive()
        self.store.close()


@pytest.fixture
def place(tmp_path, database):
    """New machines, each with a disk of its own unless it is named; all are gone at the end."""
    everything: list[Place] = []

    def make(disk=None, url=None, agree=True, **options):
        number = len(everything)
        made = Place(tmp_path / f"{disk or number}.db", url or database.url, **options)
        everything.append(made)
        if agree:
            made.agree()
        return made

    yield make
    for each in everything:
        each.close()


@pytest.fixture
def impatient(quick, monkeypatch):
    """Gives up soon, too."""
    monkeypatch.setattr(mirrors, "ANSWER", 0.3)
    monkeypatch.setattr(mirrors, "CONNECT", 0.3)


@pytest.fixture
def quick(monkeypatch):
    """Beats and pauses of tests: short."""
    monkeypatch.setattr(mirrors, "BEAT", 0.1)
    monkeypatch.setattr(mirrors, "LONGEST_PAUSE", 0.05)


def wait_for(fact):
    """Until it is so."""
    until = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.01)


def expire(database):
    """As if whoever holds alerts had said nothing for so long."""
    database.query("update logrules.state set until = now() - interval '1 second'")


def test_incident_survives_the_disk(place, told):
    """A process on another disk knows what was told, and tells nobody twice."""
    first = place()
    first.store.take(make_match())
    first.agree()
    second = place()

    assert second.store.take(make_match()).outcome is Outcome.COUNTED
    assert [row.count for row in second.store.open_incidents()] == [2]


def test_what_a_process_leaves_goes_out_with_the_next(place):
    """An alert that nobody took is the next process's at once, with its id; delivered, it is nobody's."""
    first = place()
    alert = first.store.take(make_match()).alert
    first.close()
    second = place()
    claimed = second.store.claim("sentry")
    second.store.settle(claimed, "sentry", DELIVERED)
    second.close()

    assert claimed == alert
    assert place().unsent() == []


def test_alert_of_the_living_is_left_to_them(place, database):
    """While its keeper lives, an alert in the mirror is nobody else's to send."""
    first = place()
    first.store.take(make_match())
    first.agree()
    second = place()
    expire(database)
    first.agree()  # it has said in time that it lives
    second.agree()

    assert second.unsent() == []
    assert len(first.unsent()) == 1
    assert [row.key for row in second.store.open_incidents()] == [("bot", "CONFLICT_409", None)]


KILLED = """
    import os, signal, sys, time
    from pathlib import Path
    from logrules.core.guarding.database_url import parse
    from logrules.core.match import Match
    from logrules.rules import rules
    from logrules.stores.postgres import Mirror
    from logrules.stores.sqlite.store import Store

    store = Store(Path(sys.argv[1]), rules.specs, ["sentry"], redact=str, on_failure=sys.exit)
    mirror = Mirror(parse(sys.argv[2]), store, store.release, sys.exit,
                    name="n", service="bot", sinks=["sentry"])
    mirror.start()
    code = rules.specs["CONFLICT_409"]
    store.take(Match(code="CONFLICT_409", fatal=True, level=code.severity, message="m", proved=True,
                     service="bot", instance="i", time=time.time()))
    mirror.wake()
    assert mirror.settle(30)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_killed_had_goes_to_the_living(place, tmp_path, database):
    """A killed process says nothing any more: when its time is over, a bot that lives takes its alerts."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "killed.db"), database.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    living = place()
    before = living.unsent()
    expire(database)
    living.agree()

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert before == []
    assert len(living.unsent()) == 1
    assert living.store.claim("sentry").code == "CONFLICT_409"


def test_what_was_taken_over_stays_there(place, database):
    """A bot that was frozen for long finds its alert with another one, and leaves it there."""
    first, second = place(), place()
    first.store.take(make_match())
    first.agree()
    expire(database)
    second.agree()
    first.agree()
    owner = database.query("select owner from logrules.state where kind = 'alert'")

    assert owner == [second.store.ledger().keeper]


def test_delivered_alert_does_not_come_back(place, database):
    """What was delivered while the mirror was out of reach is not taken over from it as if it were left."""
    bot = place()
    bot.store.take(make_match())
    bot.agree()
    bot.store.settle(bot.store.claim("sentry"), "sentry", DELIVERED)
    expire(database)
    bot.agree()

    assert bot.unsent() == []
    assert database.query("select kind from logrules.state") == ["incident"]


def test_one_of_many_takes_what_is_left(place, database):
    """Of two bots that live, one takes over an alert."""
    first = place()
    first.store.take(make_match())
    first.close()
    second, third = place(), place()
    expire(database)
    second.agree()
    third.agree()
    second.agree()

    assert sorted(len(each.unsent()) for each in (second, third)) in ([0, 1], [1, 1])
    assert database.query("select count(*) from logrules.state where kind = 'alert'") == ["1"]


def test_same_disk_needs_no_wait(place):
    """A process that starts again on the disk that survived goes on with its own alerts at once."""
    first = place(disk="same")
    alert = first.store.take(make_match()).alert
    first.agree()
    first.mirror._stopping = True  # as if killed: it takes no leave
    first.store.close()
    second = place(disk="same")

    assert second.unsent() == [alert.event_id]
    second.store.settle(second.store.claim("sentry"), "sentry", DELIVERED)
    second.agree()
    second.close()
    assert place().unsent() == []


def test_what_another_can_send_is_left_to_it(place, database):
    """An alert for a receiver that this process does not have stays in the mirror."""
    first = place(sinks=("sentry", "telegram"))
    first.store.take(make_match())
    first.close()
    second = place(sinks=("telegram",))

    assert [waiting.sink for waiting in second.store.ledger().waiting] == ["telegram"]
    assert [row for row in database.query(ROWS) if row.endswith("/sentry")] != []


def test_another_service_is_left_alone(place):
    """Several bots on one database: each has its own incidents and alerts."""
    first = place(service="bot")
    first.store.take(make_match())
    first.close()
    other = place(service="other")

    assert other.store.ledger()[:2] == ([], [])


def test_refused_alert_is_shown_and_not_taken_over(place, database):
    """What a receiver refuses for good is there for people to see, for a time, and nobody tries it again."""
    first = place()
    first.store.take(make_match())
    first.store.settle(first.store.claim("sentry"), "sentry", rejected("401"))
    first.agree()
    desk = MirrorDesk(address(database.url))
    (waiting,) = desk.ledger().waiting
    desk.close()
    first.close()

    assert (waiting.sink, waiting.refused) == ("sentry", "401")
    assert place().unsent() == []
    expire(database)
    place()
    assert database.query("select kind from logrules.state") == ["incident"]


def test_silence_reaches_a_running_bot(place, quick, database):
    """A silence that somebody puts into the mirror is in force with a running bot, until it is taken back."""
    bot = place()
    now = time.time()
    silence = Silence(code="CONFLICT_409", since=now, until=now + 3600, why="deploy")
    desk = MirrorDesk(address(database.url))
    desk.silence(silence)
    wait_for(lambda: bot.store.ledger().silences == [silence])
    quiet = bot.store.take(make_match()).outcome
    ended = silence.ended(time.time())
    desk.silence(ended)
    wait_for(lambda: bot.store.ledger().silences == [ended])
    desk.close()

    assert quiet is Outcome.SILENCED
    assert bot.store.take(make_match()).outcome is Outcome.OPENED


def test_silence_of_a_bot_reaches_the_mirror(place):
    """One that was put into the file of one machine holds on the next."""
    first, now = place(), time.time()
    silence = Silence(code="CONFLICT_409", since=now, until=now + 3600, why="deploy")
    first.store.silence(silence)
    first.agree()

    assert place().store.ledger().silences == [silence]


def test_incident_goes_on_between_two_machines(place, told):
    """What either of two that overlap has seen and told, the other knows after a round."""
    first, second = place(), place()
    first.store.take(make_match())
    first.agree()
    second.agree()
    outcome = second.store.take(make_match()).outcome
    second.agree()
    first.agree()

    assert outcome is Outcome.COUNTED
    assert first.store.open_incidents() == second.store.open_incidents()
    assert [row.count for row in first.store.open_incidents()] == [2]


@pytest.fixture
def told():
    """What an operator hears: codes and texts."""
    return list[tuple[str, str]]()


@pytest.fixture
def opened(tmp_path, database, told):
    """Alerts as a process opens them, on a disk of its own; all are closed at the end."""
    everything = []

    def open_(disk, *, redact=Redactor(), url=None, **settings):  # noqa: B008
        names = {"service": "bot", "instance": "a", "lang": "en", "state_file": tmp_path / f"{disk}.db"}
        state_url = address(url or database.url)
        alerts = open_alerts(Settings(**{**names, "state_url": state_url, **settings}), redact)
        alerts.listen(lambda code, text: told.append((code, text)))
        everything.append(alerts)
        return alerts

    yield open_
    for alerts in everything:
        alerts.close()


def test_nothing_is_decided_before_the_mirror_is_read(opened, database, sentry):
    """What comes before the first round is durable, and is decided with what the mirror knows."""
    first = opened("first", sentry_dsn=sentry.dsn)
    first.send(make_match())
    first.flush(PATIENCE)
    database.pause()
    second = opened("second", sentry_dsn=sentry.dsn)
    second.send(make_match())
    undecided = second._store.ledger().incidents
    database.resume()
    assert second._mirror.settle(PATIENCE)
    second.flush(PATIENCE)

    assert undecided == []
    assert [row.count for row in second._store.open_incidents()] == [2]
    assert sum(sentry.received.values()) == 1


def test_running_bot_sends_what_another_leaves(opened, place, quick, sentry):
    """An alert that is taken over in the midst of a bot's life goes out then, not with its next own."""
    alerts = opened("here", sentry_dsn=sentry.dsn)
    assert alerts._mirror.settle(PATIENCE)
    other = place()
    other.store.take(make_match())
    other.close()
    (event,) = sentry.wait_for(1)

    assert event["tags"]["code"] == "CONFLICT_409"


def test_flush_ends_with_the_mirror_up_to_date(opened, database, sentry, monkeypatch):
    """When a dying process has delivered, the mirror knows: no next one delivers it again."""
    monkeypatch.setattr(mirrors, "BEAT", 3600.0)
    sentry.down()
    alerts = opened("here", sentry_dsn=sentry.dsn)
    alerts.send(make_match())
    assert alerts._mirror.settle(PATIENCE)  # there is a table
    wait_for(lambda: database.query(KINDS) == ["alert", "incident"])
    sentry.ok()
    left = alerts.flush(PATIENCE)

    assert left == []
    assert database.query(KINDS) == ["incident"]


@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
def test_end_is_told_by_one_machine(place, dies):
    """Whoever has heard the good sign says that it is over; a standby does only where that one has died."""
    now = [time.time()]
    told, standby = (place(clock=lambda: now[0]) for _ in range(2))
    told.store.take(make_match())
    told.store.settle(told.store.claim("sentry"), "sentry", DELIVERED)
    told.store.take(make_match("POLLING_STARTED"))
    told.agree()
    standby.agree()
    now[0] += rules.specs["CONFLICT_409"].resolve_after + 1
    early = standby.store.claim("sentry")
    if not dies:
        assert told.store.claim("sentry").is_end
        told.agree()
    standby.agree()
    now[0] += OTHERS
    late = standby.store.claim("sentry")

    assert early is None
    assert (late is not None and late.is_end) == dies


@pytest.mark.parametrize("disk", [{}, {"state_file": None}], ids=["thrown away", "none at all"])
def test_crash_loop_without_a_disk_tells_once(opened, sentry, disk):
    """A bot that crashes again and again, each time on an empty disk, is one alert with the whole count."""
    for turn in range(5):
        alerts = opened(f"disk {turn}", sentry_dsn=sentry.dsn, **disk)
        alerts.send(make_match("LOCK_ACQUIRED"))
        alerts.send(make_match())
        assert alerts.flush(PATIENCE) == []
        alerts.close()

    assert sum(sentry.received.values()) == 1
    last = opened("last")
    assert last._mirror.settle(PATIENCE)
    assert [row.count for row in last._store.open_incidents()] == [5]


def test_what_no_receiver_took_goes_out_from_another_disk(opened, database, sentry):
    """The receiver is down, the disk is thrown away: the next start delivers, with the same id."""
    sentry.down()
    first = opened("first", sentry_dsn=sentry.dsn)
    first.send(make_match())
    (left,) = first.flush(0.5)
    assert first._mirror.settle(PATIENCE)
    first.close()
    let_go = database.query("select until <= now() from logrules.state where kind = 'alert'")
    sentry.ok()
    opened("second", sentry_dsn=sentry.dsn)
    sentry.wait_for(1)

    assert let_go == ["t"]
    assert list(sentry.received) == [left.event_id]


def test_dead_mirror_costs_one_line(opened, quick, sentry, told):
    """With nobody at its address alerts go out as ever; it is said once, with a code of its own."""
    alerts = opened(
        "here", url=f"postgresql://bot:{PASSWORD}@127.0.0.1:{free_port()}/x", sentry_dsn=sentry.dsn
    )
    alerts.send(make_match())
    sentry.wait_for(1)
    wait_for(lambda: alerts._mirror._failures > 3)

    assert alerts.flush(PATIENCE) == []
    assert [code for code, _ in told] == ["STATE_UNMIRRORED"]
    assert "127.0.0.1" in told[0][1]
    assert PASSWORD not in str(told)


def test_dead_mirror_is_left_alone_between_attempts(opened, told):
    """A burst of alerts is no reason to knock at a closed door more often."""
    alerts = opened("here", url=f"postgresql://bot@127.0.0.1:{free_port()}/x")
    wait_for(lambda: told)
    for number in range(50):
        alerts.send(make_match(service=f"s{number}"))

    assert alerts._mirror._failures < 10


def test_frozen_mirror_holds_nothing_up(opened, impatient, database, sentry, told):
    """A database that stops answering is given up in time, and caught up with when it is back."""
    alerts = opened("here", sentry_dsn=sentry.dsn)
    assert alerts._mirror.settle(PATIENCE)
    database.pause()
    alerts.send(make_match())
    sentry.wait_for(1)
    wait_for(lambda: told)
    database.resume()
    wait_for(lambda: database.query("select kind from logrules.state") == ["incident"])

    assert [code for code, _ in told] == ["STATE_UNMIRRORED"]
    assert "did not answer in time" in told[0][1]


def test_mirror_that_comes_back_may_be_missed_again(opened, quick, database, told):
    """Each time that it goes away is worth one line."""
    alerts = opened("here")
    for times in (1, 2):
        assert alerts._mirror.settle(PATIENCE)
        database.stop()
        wait_for(lambda times=times: len(told) == times)
        database.start()
        wait_for(lambda: not alerts._mirror._failures)

    assert {code for code, _ in told} == {"STATE_UNMIRRORED"}


def test_role_that_may_not_create_is_told_what_to_do(opened, quick, database, told):
    """Without the right to make a schema alerts go on; it is said once, and works when the owner made it."""
    database.query("drop role if exists mirroring; create role mirroring login")
    alerts = opened("here", url=database.url.replace("postgres@", "mirroring@"))
    wait_for(lambda: alerts._mirror._failures > 2)
    before = list(told)
    database.query("create schema logrules authorization mirroring")
    wait_for(lambda: not alerts._mirror._failures)

    assert len(before) == 1
    assert "CREATE SCHEMA logrules AUTHORIZATION" in before[0][1]
    assert database.query("select tableowner from pg_tables where schemaname = 'logrules'") == ["mirroring"]


def test_others_get_no_rights(opened, database):
    """The schema and its table are their owner's alone."""
    database.query("drop role if exists curious; create role curious login")
    assert opened("here")._mirror.settle(PATIENCE)

    for right in (
        "has_schema_privilege('curious', 'logrules', 'usage')",
        "has_table_privilege('curious', 'logrules.state', 'select')",
    ):
        assert database.query(f"select {right}") == ["f"]


async def test_frozen_bot_does_not_stop_the_others(database, place, monkeypatch):
    """One that is stopped in the midst of its round is ended by the server, and the rest go on."""
    monkeypatch.setattr(mirrors, "STAND", 0.3)
    first = await asyncio.to_thread(place)
    frozen = await mirrors._Session.opened(address(database.url), "frozen", make=True)
    transaction = frozen.connection.transaction()
    await transaction.start()
    await frozen._lock()
    first.store.take(make_match())
    await asyncio.to_thread(first.agree)
    frozen.connection.terminate()

    assert first.failures == []


def test_server_ends_a_session_that_went_silent(opened, database, told, monkeypatch):
    """A connection whose machine has gone does not take up a place for ever: the server lets go of it."""
    monkeypatch.setattr(mirrors, "LEFT", 0.2)
    monkeypatch.setattr(mirrors, "BEAT", 3600.0)
    alerts = opened("here")
    assert alerts._mirror.settle(PATIENCE)
    wait_for(lambda: database.query("select 1 from pg_stat_activity where application_name ~ 'state'") == [])
    alerts.send(make_match())
    wait_for(lambda: database.query("select kind from logrules.state") == ["incident"])

    assert [code for code, _ in told] == ["STATE_UNMIRRORED"]


def test_one_connection(opened, database):
    """A mirror is one connection, under a name of its own, and leaves none behind."""
    alerts = opened("here")
    assert alerts._mirror.settle(PATIENCE)
    names = (
        "select application_name from pg_stat_activity "
        "where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
    during = database.query(names)
    alerts.close()
    wait_for(lambda: database.query(names) == [])

    assert during == ["logrules-state/bot/a"]


def test_no_secret_reaches_the_database(opened, database):
    """Token and password are hidden before the mirror, also in what is held back for its first round."""
    text = f"{TOKEN} postgres://bot:{PASSWORD}@db/x"
    match = make_match(message=text, evidence=text * 100, attrs={"url": text, text: [text]})
    database.pause()
    alerts = opened(
        "here", redact=Redactor([TOKEN, PASSWORD]), alert_chat="42", token=TOKEN, bot_api="http://127.0.0.1:1"
    )
    alerts.send(match)
    (held,) = alerts._store._database.run(lambda db: db.execute("select match from held").fetchall())
    database.resume()
    assert alerts._mirror.settle(PATIENCE)
    alerts.flush(0)
    assert alerts._mirror.settle(PATIENCE)
    kept = database.query("select kind, service, key, owner, encode(data, 'escape') from logrules.state")

    assert [line.split("|")[0] for line in kept] == ["incident", "alert"]
    assert "x" * 3 not in held[0].decode()
    assert not [secret for secret in (TOKEN[7:], PASSWORD) if secret in str(kept) + held[0].decode()]


def test_wrong_password_is_not_repeated(opened, told):
    """What is said of an address that is refused shows no password, neither the wrong nor the right one."""
    with PostgresServer(password=PASSWORD) as server:
        opened("here", url=server.url.replace(PASSWORD, "wr0ng-passw0rd"))
        wait_for(lambda: told)

    assert "password authentication failed" in str(told)
    assert "wr0ng-passw0rd" not in str(told)
    assert PASSWORD not in str(told)


def test_child_of_a_fork_needs_no_mirror(opened, sentry):
    """A process that was forked tells and keeps as ever; its parent carries what they share."""
    alerts = opened("here", sentry_dsn=sentry.dsn)
    assert alerts._mirror.settle(PATIENCE)
    pid = os.fork()
    if pid == 0:
        alerts.send(make_match("LOCK_ACQUIRED"))
        quick = not alerts.flush(PATIENCE) and alerts._mirror is None
        alerts.send(make_match())
        os._exit(0 if quick and not alerts.flush(PATIENCE) else 1)
    _, status = os.waitpid(pid, 0)
    alerts.send(make_match())
    assert alerts.flush(PATIENCE) == []

    assert status == 0
    assert sum(sentry.received.values()) == 1


def test_sending_does_not_wait_for_the_mirror(opened, database, sentry):
    """With a database that says nothing, `send` returns all the same: no thread of the bot's waits for it."""
    database.pause()
    alerts = opened("here", sentry_dsn=sentry.dsn)
    sender = threading.Thread(target=alerts.send, args=(make_match(),))
    sender.start()
    sender.join(PATIENCE)
    stuck = sender.is_alive()
    unanswered = not alerts._mirror._done
    database.resume()

    assert not stuck
    assert unanswered


def test_held_matches_of_a_killed_process_are_decided(opened, tmp_path):
    """What was held back when a process was killed is decided by the next one, with or without a mirror."""
    store = Store(tmp_path / "here.db", rules.specs, (), redact=str, on_failure=pytest.fail, holds=True)
    store.take(make_match())
    store.close()
    alerts = opened("here", state_url=None)

    assert [row.code for row in alerts._store.open_incidents()] == ["CONFLICT_409"]


def test_desk_refuses_what_is_no_mirror(database, told):
    """A person with a command is told when no bot has kept anything there; nothing is made."""
    with pytest.raises(MirrorError, match="no bot has kept anything there"):
        MirrorDesk(address(database.url))
    with pytest.raises(UnavailableError, match="LOGRULES_STATE_URL"):
        MirrorDesk(address(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"))

    assert database.query("select to_regnamespace('logrules') is null") == ["t"]


def test_first_rounds_at_once(tmp_path, database):
    """Bots that meet an empty database at once make one schema, and none of them fails."""
    places = [Place(tmp_path / f"{n}.db", database.url, service=f"s{n}") for n in range(6)]
    for number, each in enumerate(places):
        each.store.take(make_match(service=f"s{number}"))
        each.agree()
    for each in places:
        each.close()

    assert [each.failures for each in places] == [[]] * 6
    assert len(database.query(ROWS)) == 12
