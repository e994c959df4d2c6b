"""Whether a match is worth waking somebody."""

from __future__ import annotations

import random

import msgspec
import pytest

from logrules.core.alerting import incidents
from logrules.core.alerting.incidents import Around, Incident, Outcome, decide
from logrules.core.match import Alert, Match
from logrules.core.model import Exit, Severity, Sign
from logrules.core.ruleset.codes import AlertSpec, Code, Confirm, Steps, Text

HOUR, REPEAT, RESOLVE = 3600.0, 1200.0, 300.0
START = 1_800_000_000.0


def make_code(name="CONFLICT_409", **changes):
    code = Code(
        code=name,
        sign=Sign.BAD,
        severity=Severity.CRITICAL,
        fatal=True,
        exit=Exit.TEMPFAIL,
        alert=AlertSpec(Text("Somebody else polls", "Опрашивает другой"), "fatal", REPEAT),
        summary=Text("s", "s"),
        steps=Steps(["Stop it.", "Start ours."], ["Остановите его.", "Запустите наш."]),
        resolved_by=frozenset({"POLLING_STARTED"}),
        resolve_after=RESOLVE,
    )
    return msgspec.structs.replace(code, **changes)


def make_match(code="CONFLICT_409", at=START, **changes):
    match = Match(
        code=code,
        fatal=True,
        level=Severity.CRITICAL,
        message="409",
        service="bot",
        instance="a",
        time=at,
        proved=True,
    )
    return msgspec.structs.replace(match, **changes)


CODE = make_code()


class Told:
    """A store of one incident, and what was told."""

    def __init__(self, code=CODE):
        self.code = code
        self.row: Incident | None = None
        self.alerts: list[Alert] = []

    def bad(self, at, around=incidents.ALONE, **changes):
        match = make_match(self.code.code, at, **changes)
        self.row, outcome, alert = decide(self.row, match, self.code, at, around=around)
        self.alerts += [alert] if alert else []
        return outcome

    def good(self, at, code="POLLING_STARTED"):
        assert self.row is not None
        self.row = incidents.heal(
            incidents.resolve(self.row, self.code, at), make_match(code, at), self.code, at
        )


def alert_of(match, at=START):
    alert = decide(None, match, CODE, at).alert
    assert alert is not None
    return alert


def test_first_sighting_opens_and_tells():
    """The first sighting of an unconditional code is told at once, with all that an operator needs."""
    told = Told()

    assert told.bad(START, reason="other", evidence="line", epoch=7, attrs={"a": 1}) is Outcome.OPENED

    (alert,) = told.alerts
    assert (alert.level, alert.fatal, alert.count, alert.number, alert.suppressed) == ("fatal", True, 1, 1, 0)
    assert alert.remediation == {
        "en": "1. Stop it.\n2. Start ours.",
        "ru": "1. Остановите его.\n2. Запустите наш.",
    }
    assert (alert.reason, alert.evidence, alert.epoch, alert.attrs) == ("other", "line", 7, {"a": 1})
    assert alert.title == "Somebody else polls"


def test_title_speaks_the_operators_language():
    """The title is in the language that was asked for."""
    alert = decide(None, make_match(), CODE, START, lang="ru").alert

    assert alert is not None
    assert alert.title == "Опрашивает другой"


def test_open_incident_is_counted_then_repeated():
    """Within a repeat interval it is only counted; after it, one reminder says how many were kept back."""
    told = Told()
    outcomes = [told.bad(START + at) for at in (0, 10, 20, REPEAT - 1, REPEAT, REPEAT + 10)]

    assert outcomes == ["opened", "counted", "counted", "counted", "repeated", "counted"]
    reminder = told.alerts[1]
    assert (reminder.count, reminder.suppressed, reminder.number) == (5, 3, 2)
    assert reminder.first_seen == START


def test_proof_is_no_second_sighting():
    """A child's end proves a line that was told or kept back already: it counts as that line, once."""
    told = Told()
    for start in (START, START + 10):
        told.bad(start, line=1, time=start, proved=False)
        told.bad(start + 1, line=1, time=start, proved=True)

    assert told.row is not None
    assert (told.row.count, told.row.suppressed) == (2, 1)


@pytest.mark.parametrize("seed", range(20))
def test_crash_loop_stays_one_incident(seed):
    """A bot that crashes every 10 s for an hour, good signs between, tells once a repeat interval."""
    chance = random.Random(seed)
    told, at = Told(), START + chance.random() * REPEAT
    first = at
    while at < first + HOUR:
        told.bad(at, proved=chance.random() < 0.5 or at > first)
        told.good(at + chance.random() * 4)
        at += 10 + chance.random()
    escalations = sum(a.level != b.level for a, b in zip(told.alerts, told.alerts[1:], strict=False))

    assert len(told.alerts) - escalations == HOUR // REPEAT  # at 0, 20 and 40 minutes
    assert escalations <= 1
    assert len({alert.event_id for alert in told.alerts}) == len(told.alerts)
    assert told.row is not None
    assert told.row.first_seen == first


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_together_counts_as_one_by_one(seed):
    """A storm taken as its first and its last, with a count, leaves the incidents that all of it leaves."""
    chance = random.Random(seed)
    storm = [
        make_match(
            chance.choice(["CONFLICT_409", "NETWORK_DOWN", "POLLING_STARTED"]),
            proved=chance.random() < 0.3,
            line=line,
        )
        for line in range(chance.randrange(1, 30))
    ]
    kept = incidents.gathered(storm)

    assert sum(match.count for match in kept) == len(storm)
    assert len(kept) <= 2 * 6  # three codes, proved or not
    for ours, theirs in zip(_told_of(kept), _told_of(storm), strict=True):
        same = ("count", "sighting", "proved", "good_since", "opened_at", "loudness", "first_seen")
        assert [getattr(ours.row, name, 0) for name in same] == [
            getattr(theirs.row, name, 0) for name in same
        ]
        for row, alerts in ((ours.row, ours.alerts), (theirs.row, theirs.alerts)):
            told = sum(1 + alert.suppressed for alert in alerts)  # the count of one may say more than one
            assert row is None or told + row.suppressed == row.count


def _told_of(matches):
    """What is told of a code that is believed at once, and of one that has to be confirmed."""
    told = (Told(), Told(make_code("NETWORK_DOWN", confirm=Confirm(3, 60.0))))
    for match in matches:
        for each in told:
            if match.code == each.code.code:
                each.row, _, alert = decide(each.row, match, each.code, START)
                each.alerts += [alert] if alert else []
            elif each.row is not None:
                each.row = incidents.heal(each.row, match, each.code, START)
    return told


def test_good_sign_that_stands_resolves():
    """After `resolve_after` with a good sign and without a bad one, the next bad one is a new incident."""
    told = Told()
    told.bad(START)
    told.good(START + 5)

    assert told.bad(START + 5 + RESOLVE) is Outcome.OPENED
    assert told.row is not None
    assert (told.row.count, told.row.first_seen) == (1, START + 5 + RESOLVE)
    assert told.alerts[0].event_id != told.alerts[1].event_id


def test_other_codes_resolve_nothing():
    """A code outside `resolved_by` is no good sign."""
    told = Told()
    told.bad(START)
    told.good(START + 5, "LOCK_ACQUIRED")

    assert told.bad(START + 5 + RESOLVE) is Outcome.COUNTED


def test_code_that_nothing_resolves_ends_by_silence():
    """Without `resolved_by`, a quiet repeat interval ends the incident."""
    told = Told(make_code(resolved_by=frozenset()))
    told.bad(START)

    assert told.row is not None
    assert incidents.resolve(told.row, told.code, START + REPEAT - 1).is_open
    assert incidents.resolve(told.row, told.code, START + REPEAT).closed_at == START + REPEAT


def test_text_alone_is_a_warning_and_proof_escalates_once():
    """Unproved evidence is a warning that is not fatal; when it is proved, it is told once more."""
    told = Told()
    outcomes = [told.bad(START + at, proved=at >= 20) for at in (0, 10, 20, 30)]

    assert outcomes == ["opened", "counted", "escalated", "counted"]
    assert [(alert.level, alert.fatal) for alert in told.alerts] == [("warning", False), ("fatal", True)]
    assert told.alerts[0].event_id != told.alerts[1].event_id


def test_text_that_goes_on_is_an_error_and_not_fatal():
    """Unproved evidence that was told louder escalates once, and is never fatal."""
    told = Told()
    doubted = {"proved": False, "fatal": False}
    louder = [Severity.WARNING, Severity.ERROR, Severity.ERROR]
    outcomes = [told.bad(START + at, level=level, **doubted) for at, level in enumerate(louder)]

    assert outcomes == ["opened", "escalated", "counted"]
    assert [(alert.level, alert.fatal) for alert in told.alerts] == [("warning", False), ("error", False)]


def test_proof_of_a_line_is_no_second_sighting():
    """A line that is proved later counts once; the same line of another start counts again."""
    told = Told()
    told.bad(START, proved=False, line=7)
    told.bad(START + 1, time=START, line=7)
    told.bad(START + 60, line=7, instance="b")

    assert [alert.count for alert in told.alerts] == [1, 1]
    assert told.row is not None
    assert told.row.count == 2


def test_what_heals_is_not_told_as_fatal():
    """A proved sign that its speaker does not call fatal is an error at most."""
    told = Told()
    told.bad(START, fatal=False)

    assert (told.alerts[0].level, told.alerts[0].fatal) == ("error", False)


def test_confirmation_waits_for_enough_within_time():
    """A code with `confirm` opens only when it was seen that often within that time."""
    told = Told(make_code(fatal=False, confirm=Confirm(count=3, within=60)))
    outcomes = [told.bad(START + at, fatal=False) for at in (0, 50, 100, 105, 110)]

    assert outcomes == ["unconfirmed", "unconfirmed", "unconfirmed", "opened", "counted"]
    assert (told.alerts[0].count, told.alerts[0].first_seen) == (3, START + 50)


def test_proved_fatal_sign_needs_no_second():
    """A process that ends for it will not say it again."""
    assert Told(make_code(confirm=Confirm(count=3, within=60))).bad(START) is Outcome.OPENED


@pytest.mark.parametrize(
    ("around", "expected"),
    [(Around(inhibited=True), Outcome.INHIBITED), (Around(silenced=True), Outcome.SILENCED)],
)
def test_hushed_incident_is_told_when_the_hush_ends(around, expected):
    """Inhibition and silence keep an alert back; the incident is told as soon as they are over."""
    told = Told()

    assert told.bad(START, around) is expected
    assert told.bad(START + 1) is Outcome.OPENED
    assert told.alerts[0].suppressed == 1


def test_rate_limit_spares_what_ends_the_bot():
    """Too many alerts hold back an ordinary one, never a proved fatal one."""
    around = Around(limited=True)

    assert Told().bad(START, around, proved=False) is Outcome.LIMITED
    assert Told().bad(START, around) is Outcome.OPENED


def test_mute_code_wakes_nobody():
    """`alert = false` means no alert, whatever happens."""
    told = Told(make_code(alert=None))

    assert [told.bad(START), told.bad(START + HOUR)] == [Outcome.MUTE, Outcome.MUTE]
    assert told.alerts == []


def test_event_id_survives_the_loss_of_all_state():
    """Who forgot everything gives the same id within one repeat window, and another one in the next."""
    window = START - START % REPEAT
    ids = [alert_of(make_match(at=at), at).event_id for at in (window, window + REPEAT - 1)]
    later = alert_of(make_match(), window + REPEAT)

    assert ids[0] == ids[1] != later.event_id
    assert len(ids[0]) == 32
    int(ids[0], 16)


def test_event_id_knows_service_code_reason():
    """Alerts of different incidents never share an id."""
    matches = [make_match(), make_match(service="b"), make_match(reason="webhook_active")]
    ids = {alert_of(match).event_id for match in matches}

    assert len(ids) == 3


@pytest.mark.parametrize("jump", [-10 * 365 * 86400.0, -60.0])
def test_clock_set_back_delays_no_more_than_one_interval(jump):
    """After the clock went back, the reminder comes one repeat interval later, not years later."""
    told = Told()
    told.bad(START)

    assert told.bad(START + jump) is Outcome.COUNTED
    assert told.bad(START + jump + REPEAT) is Outcome.REPEATED


def test_time_of_an_alert_is_never_ahead():
    """A log whose clock runs ahead does not date an alert into the future, which receivers refuse."""
    assert alert_of(make_match(at=START + HOUR)).time == START


class TestInhibition:
    """An open incident of one code makes another one old news."""

    CODES = {"DB": make_code("DB", inhibits=frozenset({"CONFLICT_409", "DB"}))}  # noqa: RUF012

    def row(self, **changes):
        row = decide(None, make_match("DB"), self.CODES["DB"], START).incident
        return msgspec.structs.replace(row, **changes)

    def inhibited(self, row, match=None, now=START + 1):
        return incidents.inhibits(match or make_match(), [row], self.CODES, now)

    def test_open_source_inhibits(self):
        """While the source is open, its targets are inhibited, and it never inhibits itself."""
        assert self.inhibited(self.row())
        assert not self.inhibited(self.row(), make_match("DB"))
        assert not self.inhibited(self.row(), make_match("OTHER"))

    def test_closed_or_stale_source_does_not(self):
        """A source that is resolved, or was not seen for long, says nothing about today."""
        assert not self.inhibited(self.row(closed_at=START))
        assert not self.inhibited(self.row(), now=START + REPEAT + 1)

    def test_unproved_source_hides_nothing_proved(self):
        """Text that a user may have written cannot keep a proved sign from the operator."""
        assert not self.inhibited(self.row(proved=False))
        assert self.inhibited(self.row(proved=False), make_match(proved=False))


@pytest.mark.parametrize("seed", range(30))
def test_decide_is_total(seed):
    """No order of sightings, good signs, clock jumps and hushes raises, and the books always balance."""
    chance = random.Random(seed)
    confirm = Confirm(count=2, within=30) if seed % 2 else None
    told, at, seen = Told(make_code(confirm=confirm)), START, 0
    for _ in range(300):
        at += chance.choice([0.1, 5, 400, 2000, -50, -1e6])
        if chance.random() < 0.3 and told.row:
            told.good(at)
            continue
        around = Around(*(chance.random() < 0.2 for _ in range(3)))
        told.bad(at, around, proved=chance.random() < 0.3, fatal=chance.random() < 0.5)
        seen += 1

        assert told.row is not None
        assert told.row.first_seen <= told.row.last_seen
        assert 1 <= told.row.count <= seen
        assert told.row.alerts <= told.row.count


class TestFold:
    """What waits for one receiver of one kind goes out as one."""

    def alerts(self, *matches):
        told = Told()
        for at, changes in matches:
            told.bad(START + at, **changes)
        return told.alerts

    def test_later_one_counts_for_both(self):
        """The later one's id and count; of these nobody was told of but the last."""
        first, second = self.alerts((0, {}), (1, {}), (REPEAT, {}))
        folded = incidents.fold(first, second)

        assert (folded.event_id, folded.count, folded.number) == (second.event_id, 3, 2)
        assert (first.suppressed, second.suppressed, folded.suppressed) == (0, 1, 2)
        assert (folded.before, folded.first_seen, folded.last_seen) == (0, START, START + REPEAT)

    @pytest.mark.parametrize("is_louder_first", [True, False])
    def test_louder_one_speaks(self, is_louder_first):
        """Level, words and evidence are those of the louder one, in whichever order they came."""
        loud, quiet = {"message": "loud"}, {"message": "quiet", "proved": False, "fatal": False}
        order = [loud, quiet] if is_louder_first else [quiet, loud]
        folded = incidents.fold(*self.alerts((0, order[0]), (REPEAT, order[1])))

        assert (folded.level, folded.fatal, folded.message) == ("fatal", True, "loud")

    def test_earlier_incident_is_counted_apart(self):
        """Sightings of another incident are no part of this one's count, and not forgotten either."""
        first = alert_of(make_match())
        second = msgspec.structs.replace(alert_of(make_match(), START + HOUR), suppressed=4, count=5)
        third = alert_of(make_match(), START + 2 * HOUR)
        folded = incidents.fold(incidents.fold(first, second), third)

        assert (folded.before, folded.count, folded.suppressed) == (6, 1, 0)

    def test_ends(self):
        """An end closes the alert that waits; whatever follows an end takes its place."""
        told = Told()
        told.bad(START)
        told.good(START + 1)
        assert told.row is not None
        closed = incidents.resolve(told.row, CODE, START + 1 + RESOLVE)
        end, (alert,) = incidents.end_of(closed, CODE), told.alerts
        assert end is not None
        over = incidents.fold(alert, end)

        assert end.is_end
        assert (over.event_id, over.level, over.closed_at) == (alert.event_id, "fatal", START + 1 + RESOLVE)
        assert not over.is_end
        assert incidents.fold(end, alert) == alert
        assert incidents.fold(end, end) == end

    def test_what_waits_counts_on(self):
        """What was seen since is in the count, and was not told."""
        told = Told()
        for at in (0, 1, 2):
            told.bad(START + at)
        (alert,) = told.alerts
        counted = incidents.recount(alert, told.row)

        assert (alert.count, counted.count, counted.suppressed, counted.last_seen) == (1, 3, 2, START + 2)


def test_every_sighting_may_be_told():
    """A code whose `repeat` is nothing tells each sighting, each with an id of its own."""
    assert CODE.alert is not None
    told = Told(make_code(alert=msgspec.structs.replace(CODE.alert, repeat=0.0)))
    for at in (0, 0.1, 0.2):
        told.bad(START + at)

    assert len({alert.event_id for alert in told.alerts}) == 3


def test_end_has_nothing_to_say_of_what_was_not_told():
    """No word of an incident that is open, was never told of, or whose code wakes nobody by now."""
    told = Told()
    told.bad(START)
    assert told.row is not None
    closed = msgspec.structs.replace(told.row, closed_at=START + 1)
    end = incidents.end_of(closed, CODE)
    assert end is not None

    assert end == incidents.end_of(closed, CODE)
    assert end.event_id != told.alerts[0].event_id
    assert incidents.end_of(told.row, CODE) is None
    assert incidents.end_of(msgspec.structs.replace(closed, alerts=0), CODE) is None
    assert incidents.end_of(closed, make_code(alert=None)) is None
