"""The codes as an API and as texts: frozen names, two languages, exits, commands that can be copied."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logrules.core.event import Event, encode, timestamp
from logrules.core.model import Exit, Sign
from logrules.core.redact import Redactor
from logrules.core.ruleset.codes import CODE, LANGUAGES
from logrules.core.ruleset.pack import PackError
from logrules.core.text import PLATFORMS, parts
from logrules.rules import extended, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logrules.core.ruleset.codes import Code

PACKS = Path(__file__).parent.parent / "logrules" / "packs"

FROZEN = {
    Sign.GOOD: """DEPLOY_LIVE KEEPALIVE_STARTED LOCK_ACQUIRED LOCK_REACQUIRED LOCK_RELEASED POLLING_STARTED
        SHUTDOWN_CLEAN WEBHOOK_DELETED""",
    Sign.INFO: "BOT_BLOCKED LOCK_WAITING PREVIEW_IDLE SHUTDOWN_SIGNAL",
    Sign.WARN: """ALERTS_OFF CHAT_NOT_FOUND CLOCK_WRONG CONFLICT_SUSPECTED CONFLICT_YIELDED DB_CONNECTION_LOST
        DNS_ERROR HANDLER_ERROR LOCK_FENCE_WEAK LOCK_LEASE_UNSUPPORTED LOCK_LOCAL_ONLY LOOP_BLOCKED
        MESSAGE_REJECTED NETWORK_ERROR PERMISSION_MISSING PLATFORM_UNFIT RATE_LIMITED RUN_UNFINISHED
        SECRET_IN_LOG START_DELAYED STATE_EPHEMERAL STATE_UNMIRRORED TELEGRAM_5XX TLS_ERROR UPDATE_SLOW
        UPDATE_UNREADABLE UPSTREAM_API_ERROR VERSION_UNFIT""",
    Sign.BAD: """ALERT_REFUSED ALERT_UNDELIVERED CODE_ERROR CONFIG_INVALID CONFIG_MISSING CONFLICT_409
        DB_AUTH_FAILED DB_LOCKED DB_SCHEMA_ERROR DB_TOO_MANY_CONNECTIONS DB_UNREACHABLE
        DEPLOY_FAILED DISK_FULL EVENT_LOOP_MISUSE HANDLERS_STUCK INTENTS_MISSING LOCK_FENCED LOCK_LOST
        LOCK_POOLER LOCK_REACQUIRE_FAILED MODULE_MISSING OUT_OF_MEMORY POLLING_STALLED POLLING_START_FAILED
        PORT_IN_USE PORT_NOT_BOUND PROCESS_EXITED SESSION_INVALID TOKEN_INVALID WATCH_FAILED WEBHOOK_ERROR""",
}
"""Released codes. A name may be added here; one that stands here is never removed, renamed or moved."""

REASONS = {
    "CONFLICT_409": {"other_getupdates", "webhook_active"},
    "DB_AUTH_FAILED": {"database_missing"},
    "DB_UNREACHABLE": {"dns", "replica"},
    "LOCK_WAITING": {"foreign"},
    "POLLING_START_FAILED": {"conflict", "network"},
    "PROCESS_EXITED": {"crashed", "killed", "not_started", "returned", "signalled"},
}
DELETE_WEBHOOK = "curl https://api.telegram.org/bot<TOKEN>/deleteWebhook"

EVERY = {
    f"{code}{'.' * bool(reason)}{reason}": spec
    for code, rule in rules.items()
    for reason, spec in [("", rule.spec), *rule.spec.reasons.items()]
}
"""Every code and every reason of it, by a name to be told by."""
WHOLE = [(f"{name} in {lang}", spec, lang) for name, spec in EVERY.items() for lang in LANGUAGES]
"""…in every language."""


def _texts(spec: Code, lang: str) -> list[str]:
    title = [spec.alert.title[lang]] if spec.alert else []
    return [spec.summary[lang], *spec.check[lang], *spec.steps[lang], *spec.avoid[lang], *title]


def _said() -> Iterator[tuple[str, str]]:
    """Every text, with the name of whose it is."""
    return ((name, text) for name, spec, lang in WHOLE for text in _texts(spec, lang))


def test_codes_are_frozen() -> None:
    """No released code has gone, changed its name or its sign; no new one came in unseen."""
    expected = {code: sign for sign, codes in FROZEN.items() for code in codes.split()}

    assert {code: rule.sign for code, rule in rules.items()} == expected


def test_reasons_are_frozen() -> None:
    """The reasons that a code tells apart are part of the API as well."""
    assert {code: set(rule.reasons) for code, rule in rules.items() if rule.reasons} == REASONS


def test_code_is_one_search_word() -> None:
    """Searching for a code finds that code: one plain word, and never a part of another one."""
    assert [code for code in rules if not CODE.match(code)] == []
    assert [(a, b) for a, b in itertools.permutations(rules, 2) if a in b] == []


def test_texts_name_no_code() -> None:
    """A search for a code finds its events only: the texts of other codes do not mention it."""
    word = re.compile(CODE.pattern.removesuffix(r"\Z"))
    named = {
        name: words
        for name, spec, lang in WHOLE
        if (words := set(word.findall(" ".join(_texts(spec, lang)))) & set(rules))
    }

    assert named == {}


def test_commands_survive_json() -> None:
    """A command copied out of a JSON line works as it stands: nothing in the texts has to be escaped."""
    escaped = re.compile(r'["\\\x00-\x1f]')

    assert [(name, text) for name, text in _said() if escaped.search(text)] == []


def test_redaction_leaves_the_texts_whole() -> None:
    """No placeholder looks like a secret: what passes redaction reads as it was written."""
    redact = Redactor(["123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])

    assert [(name, text) for name, text in _said() if redact(text) != text] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_fit_a_line_and_a_phone(lang: str) -> None:
    """Even with a long message the whole event stays below 4096 bytes; no text is longer than a screen."""
    for name, spec in EVERY.items():
        event = Event(
            timestamp=timestamp(0),
            level=spec.severity,
            code=spec.code,
            message="я" * 400,
            remediation=spec.remediation(lang),
            service="a-service-with-a-long-name",
            instance="srv-d0cjkelq67qs70c2pugg-sbpkm",
            fatal=spec.fatal,
            attrs={"holder": "h" * 200},
        )

        assert len(encode(event, str)) < 4096, name
        assert len(spec.remediation(lang)) <= 1000, name
        assert len(spec.steps[lang]) <= 5, name
        assert sum(map(len, spec.check[lang])) <= 500, name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_are_written_for_people(lang: str) -> None:
    """Sentences end, titles fit a lock screen, backticks pair, and each language has its own script."""
    for name, spec in EVERY.items():
        *sentences, title = [*_texts(spec, lang), ""] if not spec.alert else _texts(spec, lang)

        assert [text for text in sentences if text[-1] not in ".;`)"] == [], name
        assert [text for text in sentences if text.count("`") % 2] == [], name
        assert len(title) <= 72, name
        for text in filter(None, [*sentences, title]):
            assert bool(re.search("[а-яё]", text)) == (lang == "ru"), (name, text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_losing_messages_is_never_unwarned(lang: str) -> None:
    """Wherever a step drops users' messages it says so, and the form that keeps them stands before it."""
    warning = re.compile("WARNING|for good" if lang == "en" else "ВНИМАНИЕ|безвозвратно")
    keeping = re.compile(re.escape(DELETE_WEBHOOK) + r"(?!\?)")
    for name, spec in EVERY.items():
        steps = spec.steps[lang]
        for at in [at for at, step in enumerate(steps) if "drop_pending_updates" in step]:
            assert warning.search(steps[at]), (name, steps[at])
            assert any(keeping.search(step) for step in steps[: at + 1]), (name, steps[at])


def _commands(texts: Iterable[str]) -> list[str]:
    return [part.text for text in texts for part in parts(text) if part.is_command]


def test_languages_give_the_same_steps() -> None:
    """Both languages have the same number of sentences and the same commands in them, in the same order."""
    for name, spec in EVERY.items():
        for said in (spec.check, spec.steps, spec.avoid):
            assert len(said.en) == len(said.ru), name
            assert _commands(said.en) == _commands(said.ru), name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_bad_sign_says_how_to_make_sure_and_what_not_to_do(lang: str) -> None:
    """Before the steps there is something to look at, and after them what would make it worse."""
    warns = re.compile(r"(?:WARNING: |Do not|Never)" if lang == "en" else r"(?:ВНИМАНИЕ: |Не )")
    for name, spec in EVERY.items():
        if spec.sign is Sign.BAD:
            assert spec.check[lang], name
            assert spec.avoid[lang], name
            assert [text for text in spec.avoid[lang] if not warns.match(text)] == [], name


def test_a_command_ends_its_sentence() -> None:
    """At a terminal each command has a line of its own: what comes behind it begins anew."""
    after = [
        (name, words.text)
        for name, spec, lang in WHOLE
        for text in (*spec.check[lang], *spec.steps[lang])
        for command, words in itertools.pairwise(parts(text))
        if command.is_command and not words.is_command
    ]

    assert [each for each in after if not re.match(r"[A-ZА-ЯЁ`(\d]|last_", each[1])] == []


DESTROYS = re.compile(
    r"drop_pending_updates|down -v|(?:image|volume|system) prune|\bDROP\b|\brm |pg_terminate_backend\(pid\)"
)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_destroys_says_so(lang: str) -> None:
    """No step throws data or sessions away without a word about it."""
    says = re.compile("WARNING|removes" if lang == "en" else "ВНИМАНИЕ|Удалятся")
    for name, spec in EVERY.items():
        texts = [*spec.check[lang], *spec.steps[lang], *spec.avoid[lang]]

        assert [text for text in texts if DESTROYS.search(text) and not says.search(text)] == [], name
        assert not any(DESTROYS.search(command) for command in _commands(spec.check[lang])), name


def test_ways_are_complete() -> None:
    """Whatever differs from platform to platform is said for nearly all, in both languages, and is used."""
    used = {
        name
        for rule in rules.values()
        for spec in (rule.spec, *rule.spec.reasons.values())
        for name in spec.how
    }

    assert used == set(rules.ways)
    for name, way in rules.ways.items():
        platforms = way.keys() - {"title"}
        assert platforms <= set(PLATFORMS), name
        assert platforms >= {"render", "railway", "fly", "heroku", "kubernetes"}, name
        assert [key for key, text in way.items() if _commands([text.en]) != _commands([text.ru])] == []
        assert [text for text in way.values() if text.en[-1] not in ".`" and text is not way["title"]] == []
        assert re.search("[А-яё]", way["title"].ru)
        assert not any(re.search("[А-яё]", text.en) for text in way.values())


def test_ways_destroy_nothing_unsaid() -> None:
    """A word of warning stands wherever something is removed for good."""
    texts = [text for way in rules.ways.values() for text in way.values()]

    assert [text.en for text in texts if DESTROYS.search(text.en) and "WARNING" not in text.en] == []
    assert not re.search('["\\\\]', "".join(text.en + text.ru for text in texts))


def test_every_fatal_code_has_an_exit() -> None:
    """Whatever ends a process says with which status, and it is one of those that mean something."""
    everything = [spec for rule in rules.values() for spec in (rule.spec, *rule.spec.reasons.values())]

    assert {spec.exit for spec in everything if spec.fatal} == {
        Exit.UNAVAILABLE,
        Exit.SOFTWARE,
        Exit.TEMPFAIL,
        Exit.CONFIG,
    }
    assert rules["CONFLICT_409"].exit == Exit.TEMPFAIL
    assert rules["TOKEN_INVALID"].exit == Exit.CONFIG
    assert rules["DB_UNREACHABLE"].exit == Exit.UNAVAILABLE


def test_who_is_woken() -> None:
    """What has ended the bot wakes somebody at once, good news nobody, and a warning only when it repeats."""
    alerts = {code: rule.spec for code, rule in rules.items() if rule.alert}

    assert {code for code, rule in rules.items() if rule.sign is Sign.BAD} - set(alerts) == {
        "ALERT_REFUSED",
        "ALERT_UNDELIVERED",  # what cannot be told cannot be told by telling
    }
    assert {rules[code].sign for code in alerts} == {Sign.WARN, Sign.BAD}
    assert [code for code, spec in alerts.items() if spec.sign is Sign.WARN and not spec.confirm] == []
    assert [code for code, spec in alerts.items() if spec.fatal and spec.confirm] == ["LOCK_LOST"]


def test_incidents_can_end() -> None:
    """Every incident that wakes somebody is ended by a good sign, and inhibits only codes that exist."""
    for code, rule in rules.items():
        assert not rule.alert or rule.spec.resolved_by, code
        assert all(rules[good].sign is Sign.GOOD for good in rule.spec.resolved_by), code
        assert all(other in rules and other != code for other in rule.spec.inhibits), code


def test_nothing_hides_that_the_bot_stopped() -> None:
    """No code inhibits a fatal one, but for what only echoes its own cause."""
    echoes = {"PROCESS_EXITED", "DEPLOY_FAILED", "POLLING_START_FAILED", "LOCK_LOST"}
    hidden = {other for rule in rules.values() for other in rule.spec.inhibits if rules[other].fatal}

    assert hidden == echoes


def test_search_words_find_their_code() -> None:
    """What the tables say to search for stands in samples of that code and of no other that they name."""
    patterns = [
        pattern
        for pack in sorted(PACKS.glob("*.toml"))
        for pattern in tomllib.loads(pack.read_text("utf-8")).get("pattern", [])
    ]
    printed = {pattern["code"] for pattern in patterns}
    hits = {
        (code, words): {p["code"] for p in patterns if any(words in sample for sample in p["match"])}
        for code, rule in rules.items()
        for words in rule.spec.search
    }

    assert {code for code, rule in rules.items() if rule.spec.search} == printed
    assert {key: codes for key, codes in hits.items() if codes != {key[0]}} == {}


GOOD = """
format = 0
[code.A_CODE]
sign = "bad"
severity = "error"
fatal = true
exit = "software"
summary.en = "It broke."
summary.ru = "Сломалось."
remediation.en = ["Mend it."]
remediation.ru = ["Почините."]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ('summary.ru = "Сломалось."', "", "ru"),
        ('remediation.ru = ["Почините."]', "", "ru"),
        ('exit = "software"', "", "exit"),
        ('exit = "software"', 'exit = "sofware"', "sofware"),
        ('sign = "bad"', 'sing = "bad"', "sing"),
        ("A_CODE", "a_code", "a_code"),
        ("format = 0", "", "format"),
        ('severity = "error"', 'severity = "eror"', "eror"),
        ("fatal = true", "fatal = yes", "TOML"),
        ('exit = "software"', 'exit = "software"\nresolve_after = "5 min"', "5 min"),
    ],
)
def test_faults_in_codes_are_named(right: str, wrong: str, named: str) -> None:
    """A mistake in a code's table is refused with the file, the code and the word that is wrong."""
    assert "A_CODE" in extended({"mine.toml": GOOD})

    with pytest.raises(PackError, match=f"^mine.toml:.*{named}"):
        extended({"mine.toml": GOOD.replace(right, wrong)})
