"""`logrules doctor`: each fault of an environment by its own words, on real parts, beside a bot that runs."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pty
import re
import socket
import ssl
import string
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logrules import doctor as package
from logrules.alerts import NOBODY
from logrules.core.guarding.database_url import parse
from logrules.core.guarding.lease import FullError, Seat, Timers, bot_id, lock_key
from logrules.core.model import Exit
from logrules.core.redact import Redactor, secrets_in
from logrules.doctor import examination, machine
from logrules.doctor.database import of_error, of_seats, of_server
from logrules.doctor.examination import CHECKS, examine
from logrules.doctor.finding import as_dict, found, ordered, status
from logrules.doctor.network import ahead
from logrules.doctor.patient import Patient
from logrules.doctor.says import AREAS, SAYS
from logrules.guards.flock import FileSession, lock_path
from logrules.guards.postgres import PostgresSession, Server, application_name
from logrules.renderapi import PAGE
from logrules.rules import rules
from logrules.testing import BotApiServer, PostgresServer, RenderApiServer, SentryReceiver, TcpProxy
from logrules.testing.http_server import Exchange, HttpServer
from logrules.testing.ports import free_port
from tests import warm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from logrules.doctor.finding import Finding

TOKEN = "123456:" + "A" * 35
OTHER = "654321:" + "B" * 35
PASSWORD, WRONG = "s3cr3t-of-the-db", "wr0ng-passw0rd"
ENVIRON = {name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {
    "LANG": "C.UTF-8",
    "PYTHONWARNINGS": "error",
}
SECRETS = ("A" * 35, "B" * 35, PASSWORD, WRONG, "0123456789abcdef0123", "K" * 28)
"""Parts of every secret in here."""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with PostgresServer(password=PASSWORD, settings={"log_statement": "all"}) as server:
        yield server


def look(*checks: str, step: Any = 4.0, **environ: Any) -> list[Finding]:
    """What these checks find, with no secret in any form in which it is told."""
    patient = Patient.of(environ, step=step)
    findings = examine(patient, {name: CHECKS[name] for name in checks})
    redact = Redactor([*secrets_in(environ), *patient.tokens.values()])
    clean = [examination._clean(each, redact) for each in findings]
    told = "".join(json.dumps(as_dict(each, rules.speak(lang))) for each in clean for lang in ("en", "ru"))
    assert [secret for secret in SECRETS if secret in told] == []
    assert "any.broke" not in names(findings), clean
    return clean


def names(findings: list[Finding]) -> list[str]:
    """Which ones, but for what is well in passing."""
    return [each.name for each in findings if each.name not in {"clock.ok", "telegram.ok"}]


# What there is to say


def test_everything_that_can_be_said_is_sound() -> None:
    """Trouble has a code that exists, the rest has none; both languages are there and take the same facts."""

    def fields(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text)} - {None}

    for name, row in SAYS.items():
        assert (row.code is not None) == (row.state in {"bad", "warn"}), name
        assert row.area in AREAS, name
        assert row.code is None or row.reason is None or row.reason in rules[row.code].reasons, name
        steps = [found(name).steps(rules.speak(lang)) for lang in ("en", "ru")]
        assert len(steps[0]) == len(steps[1]), name
        assert row.steps is not None or bool(steps[0]) is (row.code is not None), name
        assert fields(row.text["en"]) == fields(row.text["ru"]), name
        words = re.sub(r"{.*?}|[A-Z_]{4,}", "", row.text["ru"])
        assert not re.search("[a-z]{4}", words) or re.search("[а-я]", words), name
        assert not re.search("[А-я]", row.text["en"]), name
    assert "SIGKILL" in found("platform.drain").steps(rules.speak("en"))[0]
    assert found("away.tcp", area="sentry").steps(rules) == []  # those of its code are Telegram's
    assert "pg_terminate_backend(7)" in found("lock.foreign", pid=7).steps(rules.speak("ru"))[-1]


def test_findings_are_those_that_are_described() -> None:
    """Every name that a check finds is in says.toml, and nothing stands there that no check finds."""
    sources = [file.read_text("utf-8") for file in Path(next(iter(package.__path__))).glob("*.py")]
    constants = [
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    said = {text for text in constants if re.fullmatch(r"[a-z]+\.[a-z_]+", text) and text in SAYS}
    said |= {f"away.{stage}" for stage in ("dns", "tcp", "tls", "silent")}

    assert set(SAYS) - said == set()
    assert set(CHECKS) <= set(AREAS)


def test_the_worst_comes_first_and_gives_the_status() -> None:
    """What stops the bot is told first, in the order of a start; warnings leave the status at 0."""
    findings = [
        found("settings.ok"),
        found("receivers.none"),
        found("away.dns", host="h", why="w"),
        found("token.refused", setting="BOT_TOKEN", answer="401"),
    ]

    assert [each.state for each in ordered(findings)] == ["bad", "bad", "warn", "ok"]
    assert status(findings[3:], rules) == Exit.CONFIG
    assert status(findings[:3], rules) == Exit.UNAVAILABLE  # this code has no status of its own
    assert status(findings[:2], rules) == Exit.OK


def test_a_check_that_fails_or_hangs_stops_no_other() -> None:
    """A check that raises is named, one that never ends is left behind, and all begin at once."""
    together = threading.Barrier(3)

    def breaks(_: Patient) -> Iterator[Finding]:
        together.wait(20)
        yield found("settings.ok")
        raise RuntimeError(TOKEN)

    def hangs(_: Patient) -> Iterator[Finding]:
        together.wait(20)
        threading.Event().wait()
        yield found("settings.ok")

    def works(_: Patient) -> Iterator[Finding]:
        together.wait(20)
        yield found("render.off")

    patient = Patient.of({}, until=time.monotonic() - 0.5)
    checks = {"settings": breaks, "database": hangs, "render": works}
    findings = [(each.name, each.area) for each in examine(patient, checks)]

    assert findings == [
        ("any.broke", "settings"),
        ("any.unfinished", "database"),
        ("settings.ok", "settings"),
        ("render.off", "render"),
    ]


# Beside a bot that runs


@asynccontextmanager
async def running_bot(api: BotApiServer, database: PostgresServer) -> AsyncIterator[PostgresSession]:
    """What a guarded bot looks like from outside: a lock that is held, and a poll that is parked."""
    url = parse(database.url)
    assert url is not None
    session = PostgresSession(url, lock_key(bot_id(TOKEN)), application_name("shop", "one", ""), Timers())
    poll = asyncio.create_task(asyncio.to_thread(ask, api, "getUpdates?timeout=50"))
    try:
        await api.wait_for_async(lambda: api.polls)
        await session.connect(lambda why: None)
        assert await session.try_lock()
        await session.granted()
        yield session
        assert not poll.done()
    finally:
        session.terminate()
        api.send_text("go on")
        await poll


async def test_a_bot_that_runs_feels_nothing(database: PostgresServer, tmp_path: Path) -> None:
    """Its poll stays parked, its lock stays its own, no event and no message appear, no session is left."""
    with BotApiServer() as api, SentryReceiver() as sentry, RenderApiServer() as render:
        render.add_service("shop", {"BOT_TOKEN": TOKEN})
        environ = {
            "BOT_TOKEN": TOKEN,
            "LOGRULES_BOT_API": api.url,
            "DATABASE_URL": database.url,
            "SENTRY_DSN": sentry.dsn,
            "LOGRULES_ALERT_CHAT": "-42",
            "LOGRULES_STATE": str(tmp_path / "state" / "x.sqlite3"),
            "RENDER_API_KEY": render.key,
            "LOGRULES_RENDER_API": render.url,
        }
        async with running_bot(api, database) as session:
            before = len(database.log)
            done = await asyncio.to_thread(run, "--json", **environ)
            statements = database.log[before:]
            assert await session.prove()
            await asyncio.to_thread(wait_until, lambda: not doctors_at(database))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    first = told[0]
    methods = {request.method for request in api.requests}

    assert done.returncode == 0, done.stderr
    assert [each["finding"] for each in told if each["state"] != "ok"] == ["lock.held"]
    assert (first["code"], first["attrs"]["instance"]) == ("LOCK_WAITING", "one")
    assert first["remediation"] == rules.speak("en")["LOCK_WAITING"].remediation
    assert " ".join(first) == "check state finding code reason message remediation attrs"
    assert {"token", "webhook", "database", "sentry", "chat", "render"} <= {each["check"] for each in told}
    assert methods == {"getUpdates", "getMe", "getWebhookInfo", "getChat", "getChatMember"}
    assert (len(api.polls), api.conflicts) == (1, 0)
    assert "pg_is_in_recovery" in statements
    assert "advisory_lock" not in statements
    assert {item.type for item in sentry.items} == {"client_report"}
    assert sentry.items[0].content["discarded_events"] == []
    assert not (tmp_path / "state").exists()
    assert [each for each in SECRETS if each in done.stdout + done.stderr] == []


def doctors_at(database: PostgresServer) -> bool:
    """Whether a session of the doctor's is there."""
    return database.query("select pid from pg_stat_activity where application_name like '%doctor%'") != []


def wait_until(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.01)


def ask(api: BotApiServer, call: str) -> int:
    """One call, as a bot of anybody's makes it."""
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2]))) as client:
        client.sendall(f"GET /bot{TOKEN}/{call} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return len(client.recv(65536))


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run([sys.executable, "-m", "logrules", "doctor", *arguments], env=ENVIRON | environ)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_people_get_what_to_do_and_see_that_it_works(
    database: PostgresServer, tmp_path: Path, lang: str
) -> None:
    """At a terminal: progress that goes away again, what stops the bot with its steps first, no secret."""
    (tmp_path / "logrules.toml").write_text(f'format = 0\noff = ["{TOKEN}"]\n', "utf-8")
    master, slave = pty.openpty()
    with BotApiServer() as api:
        api.revoke()
        environ = ENVIRON | {
            "TERM": "xterm",
            "NO_COLOR": "1",
            "COLUMNS": "90",
            "BOT_TOKEN": TOKEN,
            "LOGRULES_BOT_API": api.url,
            "DATABASE_URL": database.url.replace(PASSWORD, WRONG),
            "SENTRY_DSN": "https://0123456789abcdef0123456789abcdef@nowhere.invalid/1",
            "LOGRULES_ALERT_TOKEN": OTHER + " ",
            "LOGRULES_STATE": f"{tmp_path}/{WRONG}/x.sqlite3",
            "RENDER_API_KEY": "rnd_" + "K" * 28,
            "LOGRULES_RENDER_API": f"http://127.0.0.1:{free_port()}",
        }
        command = [sys.executable, "-m", "logrules", "doctor", "--lang", lang]
        with subprocess.Popen(command, stdout=slave, stderr=slave, env=environ, cwd=tmp_path) as child:
            os.close(slave)
            shown = drained(master)
            code = child.wait(60)
    progress = "looked at" if lang == "en" else "проверено"
    page = shown.rpartition("\x1b[K")[2]

    assert code == Exit.CONFIG
    assert progress in shown
    assert progress not in page.replace("Not looked at", "")
    assert page.index("✖") < page.index("TOKEN_INVALID") < page.index("!") < page.index("✔")
    assert all(code in page for code in ("CONFIG_INVALID", "DB_AUTH_FAILED", "DNS_ERROR", "NETWORK_ERROR"))
    assert "1. " in page
    assert "logrules explain TOKEN_INVALID" in page
    assert [secret for secret in SECRETS if secret in shown] == []


def drained(master: int) -> str:
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # Linux says EIO where the other side is closed
        pass
    os.close(master)
    return shown.decode()


# Settings and packs


def test_every_malformed_setting_is_told_at_once() -> None:
    """Not the first one only; the sound ones are used meanwhile."""
    faults = look(
        "settings",
        BOT_TOKEN=f'"{TOKEN}"',
        SENTRY_DSN="http://nothing",
        LOGRULES_LEASE="long",
        LOGRULES_FENCE="3000",
        LOGRULES_WEBHOOK="keep",
        LOGRULES_ALERT_CHAT="my chat",
        LOGRULES_SERVICE="shop",
    )
    named = [re.findall("[A-Z][A-Z_]{3,}", each.message("en"))[0] for each in faults]

    assert all(re.search("(?i)[а-я]{4}.*[а-я]{4}", each.attrs["fault"]["ru"]) for each in faults)
    assert as_dict(faults[0], rules.speak("ru"))["attrs"]["fault"] in faults[0].message("ru")
    assert {each.name for each in faults} == {"settings.invalid"}
    assert set(named) >= {
        "BOT_TOKEN",
        "SENTRY_DSN",
        "LOGRULES_LEASE",
        "LOGRULES_WEBHOOK",
        "LOGRULES_ALERT_CHAT",
    }
    assert len(faults) == 6
    assert names(look("settings")) == ["settings.ok"]


def test_packs_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is named must be right; one that only lies about is left out, and that is a warning."""
    monkeypatch.chdir(tmp_path)
    assert look("packs") == []
    Path("logrules.toml").write_text("format = 0\n[[pattern]]\ncode = 7\n", "utf-8")
    (lying, *_) = look("packs")
    (named, *_) = look("packs", LOGRULES_PACKS="logrules.toml")
    Path("logrules.toml").write_text('format = 0\noff = ["discord"]\n', "utf-8")

    assert (lying.name, lying.state, named.state) == ("packs.fault", "warn", "bad")
    assert "logrules.toml:" in lying.attrs["fault"]
    assert names(look("packs")) == ["packs.ok"]
    assert look("packs", LOGRULES_PACKS="absent.toml")[0].state == "bad"


# Telegram


def _revoked(api: BotApiServer) -> None:
    api.revoke()


TELEGRAM: dict[str, tuple[Callable[[BotApiServer], object], list[str]]] = {
    "well": (lambda api: api.send_text("hello"), ["token.ok", "webhook.none"]),
    "revoked": (_revoked, ["token.refused"]),
    "unknown": (lambda api: api.fail_next("getMe", 404, "Not Found"), ["token.refused"]),
    "limited": (lambda api: api.fail_next("getMe", retry_after=7), ["telegram.limited"]),
    "failing": (
        lambda api: api.fail_next("getMe", 502, raw=b"<html>Bad Gateway</html>"),
        ["telegram.failing"],
    ),
    "silent": (lambda api: api.fail_next("getMe", hang=True), ["telegram.strange"]),
    "cut off": (lambda api: api.fail_next("getWebhookInfo", abort=True), ["telegram.strange", "token.ok"]),
    "webhook": (
        lambda api: api.set_webhook("https://hook.example/s3cr3t-of-the-db"),
        ["webhook.set", "token.ok"],
    ),
    "away": (lambda api: api.down(), ["away.tcp"]),
}


@pytest.mark.parametrize("case", TELEGRAM)
def test_token_and_webhook(bot_api: BotApiServer, case: str) -> None:
    """Whatever Telegram says of the token, or does not say, has words and a code of its own."""
    arrange, expected = TELEGRAM[case]
    bot_api.send_text("earlier")
    arrange(bot_api)
    patience = 0.5 if case == "silent" else 4.0
    findings = look("token", step=patience, BOT_TOKEN=TOKEN, LOGRULES_BOT_API=bot_api.url)

    assert names(findings) == expected
    assert bot_api.polls == []


def test_webhook_that_fails_and_one_that_is_met_by_deleting(bot_api: BotApiServer) -> None:
    """What Telegram says of its deliveries is passed on, the address is not; `delete` makes it a warning."""
    info = {"url": "https://hook.example/secret-path", "pending_update_count": 7}
    said = f"Wrong response: 502 from /{TOKEN}"
    bot_api.methods["getWebhookInfo"] = lambda _: info | {"last_error_message": said}
    environ = {"BOT_TOKEN": TOKEN, "LOGRULES_BOT_API": bot_api.url}
    strict, failing, *_ = look("token", **environ)
    lenient = [
        each for each in look("token", **environ, LOGRULES_WEBHOOK="delete") if each.name == "webhook.set"
    ]

    assert (strict.state, strict.code, strict.reason) == ("bad", "CONFLICT_409", "webhook_active")
    assert strict.attrs == {"host": "hook.example", "pending": 7}
    assert (failing.code, failing.attrs["error"]) == ("WEBHOOK_ERROR", "Wrong response: 502 from /123456:***")
    assert [each.state for each in lenient] == ["warn"]


def test_where_the_token_is(bot_api: BotApiServer) -> None:
    """Missing, in a variable of the bot's own, or in two that differ: each is said, and one is checked."""
    api = {"LOGRULES_BOT_API": bot_api.url}

    assert names(look("token", **api)) == ["token.missing"]
    assert names(look("token", **api, BOT_TOKEN="no token")) == []  # is told with the settings
    assert names(look("token", **api, MY_BOT=TOKEN, LOGRULES_ALERT_TOKEN=OTHER)) == [
        "token.elsewhere",
        "token.ok",
        "webhook.none",
    ]
    two = look("token", **api, BOT_TOKEN=TOKEN, TELEGRAM_BOT_TOKEN=OTHER)
    assert (two[0].name, two[0].attrs["setting"]) == ("token.two", "BOT_TOKEN")
    assert {request.token for request in bot_api.requests} == {TOKEN}


def test_half_open_servers_are_told_from_dead_ones(tmp_path: Path) -> None:
    """Whoever accepts and says nothing, has no name, or a certificate of nobody's, each by its own words."""
    with silent() as port, untrusted(tmp_path) as tls:
        addresses = {
            f"http://127.0.0.1:{port}": "away.silent",
            f"https://127.0.0.1:{port}": "away.silent",
            "https://nowhere.invalid": "away.dns",
            f"https://127.0.0.1:{free_port()}": "away.tcp",
            f"https://localhost:{tls}": "away.tls",
        }
        for address, expected in addresses.items():
            told = look(
                *("token", "sentry", "receivers"),
                step=0.4 if "silent" in expected else 4.0,
                BOT_TOKEN=TOKEN,
                LOGRULES_BOT_API=address,
                SENTRY_DSN=address.replace("://", "://0123456789abcdef0123@") + "/1",
                LOGRULES_ALERT_WEBHOOK=f"{address}/path",
            )

            assert [(each.name, each.area, each.state) for each in told] == [
                (expected, "telegram", "bad"),
                (expected, "receivers", "warn"),
                (expected, "sentry", "warn"),
            ], address


def test_a_name_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that never answers cannot be given up by anybody: it is left behind."""
    hangs = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait())
    url = f"postgresql://bot:{PASSWORD}@db.example/x"
    told = look("token", "database", step=0.2, BOT_TOKEN=TOKEN, DATABASE_URL=url)
    hangs.set()

    assert names(told) == ["away.dns", "database.dns"]


def test_a_proxy_may_be_the_way() -> None:
    """Where a proxy is set, that we do not get to Telegram directly stops no bot."""
    dead = f"http://127.0.0.1:{free_port()}"
    told = look("token", BOT_TOKEN=TOKEN, LOGRULES_BOT_API=dead, HTTPS_PROXY="http://u:wr0ng-passw0rd@p:1")

    assert [(each.name, each.state) for each in told] == [("away.tcp", "warn"), ("telegram.proxy", "warn")]


@contextmanager
def silent() -> Iterator[int]:
    """A server that takes connections, and leaves it at that."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def untrusted(folder: Path, hello: bytes = b"") -> Iterator[int]:
    """A TLS server with a certificate that nobody has signed; `hello` answers eight bytes before it."""
    certificate, key = folder / "c.pem", folder / "k.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                client = server.accept()[0]
            except OSError:
                return
            with client:
                try:
                    if hello:
                        client.recv(8)
                        client.sendall(hello)
                    context.wrap_socket(client, server_side=True).close()
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 22 Nov 2020 08:00:00 GMT", "clock.ahead"),
        ("Mon, 22 Nov 2077 08:00:00 GMT", "clock.behind"),
        ("never", None),
    ],
)
def test_clock_is_compared(date: str, expected: str | None) -> None:
    """A clock that is off by more than half a minute is told, and an unreadable date is no date."""
    server = HttpServer(lambda exchange: exchange.answer(404, b"", headers={"Date": date}))
    server.start()
    try:
        said = names(look("token", BOT_TOKEN=TOKEN, LOGRULES_BOT_API=server.url))
    finally:
        server.close()

    assert [name for name in said if name.startswith("clock")] == ([expected] if expected else [])


def test_only_a_certain_difference_counts() -> None:
    """What the way may have taken, and the second that a Date leaves open, is no fault of the clock."""
    assert ahead(100.0, 101.0, 99.0, 100.5) == 0.0
    assert ahead(100.0, 101.0, 100.5, 120.0) == 0.0
    assert ahead(100.0, 101.0, 111.0, 112.0) == 10.0
    assert ahead(100.0, 101.0, 90.0, 91.0) == -9.0


# The database


def test_database_faults_have_words_of_their_own(database: PostgresServer, tmp_path: Path) -> None:
    """Name, port, silence, TLS, password, database, a limit: what one can do differs, and so do the words."""
    database.query("create role full login password 'of-the-role' connection limit 0")
    database.query("create role scarce login password 'of-the-role' connection limit 1")
    here = f"127.0.0.1:{database.port}"
    with silent() as port, untrusted(tmp_path, b"S") as tls, TcpProxy(database.port) as proxy:
        urls = {
            database.url.replace(PASSWORD, WRONG): "database.password",
            f"{database.url.rpartition('/')[0]}/absent": "database.missing",
            f"postgresql://bot:{PASSWORD}@127.0.0.1:{free_port()}/x": "database.tcp",
            f"postgresql://bot:{PASSWORD}@db.nowhere.invalid/x": "database.dns",
            f"postgresql://bot:{PASSWORD}@127.0.0.1:{port}/x": "database.silent",
            f"postgresql://bot:{PASSWORD}@localhost:{tls}/x?sslrootcert=system": "database.tls",
            f"{database.url}?sslmode=require": "database.malformed",
            f"{database.url}?sslrootcert={tmp_path}/absent.pem": "database.malformed",
            f"postgresql://full:of-the-role@{here}/postgres": "database.full",
            f"postgresql://scarce:of-the-role@{here}/postgres": "database.crowded",
            f"postgresql:/{PASSWORD}@h": "database.malformed",
            "sqlite:///bot.db": "database.other",
            f"{database.url}?sllmode=x": "database.unknown",
            database.url.replace(str(database.port), str(proxy.port)): "database.ok",
        }
        said = {
            url: look("database", step=0.8 if "silent" in name else 4.0, DATABASE_URL=url)
            for url, name in urls.items()
        }

    assert {url: findings[0].name for url, findings in said.items()} == urls
    assert names(look("database")) == ["database.none"]


def test_lock_is_looked_at_and_not_touched(database: PostgresServer) -> None:
    """Free, held by a stranger: said without taking it, over one connection that is gone afterwards."""
    environ = {"BOT_TOKEN": TOKEN, "DATABASE_URL": database.url}
    free = look("database", **environ)
    stranger = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database.url, str(lock_key(bot_id(TOKEN)))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        taken = look("database", **environ)
    finally:
        stranger.communicate()

    assert names(free) == ["database.ok", "lock.free"]
    assert (taken[0].name, taken[0].state, taken[0].code) == ("lock.foreign", "bad", "LOCK_WAITING")
    assert taken[0].attrs["instance"] == "cron job"


HOLDER = """
import asyncio, sys, asyncpg
async def hold():
    connection = await asyncpg.connect(sys.argv[1], server_settings={"application_name": "cron job"})
    await connection.execute(f"select pg_advisory_lock({sys.argv[2]}::int8)")
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(hold())
"""


async def test_lock_in_a_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database it is told who has the file, as long as that process lives."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    session = FileSession(lock_path(lock_key(bot_id(TOKEN))), "old")
    await session.connect(lambda why: None)
    assert await session.try_lock()
    await session.granted()
    held = look("database", BOT_TOKEN=TOKEN)
    note = json.loads(session.path.read_text("utf-8"))
    session.path.write_text(json.dumps(note | {"pid": 1 << 22}), "utf-8")  # no process can have it
    dead = look("database", BOT_TOKEN=TOKEN)
    await session.unlock()

    assert names(held) == ["database.none", "lock.file"]
    assert (held[1].attrs["instance"], held[1].attrs["pid"]) == ("old", os.getpid())
    assert names(dead) == names(look("database", BOT_TOKEN=TOKEN)) == ["database.none"]


SERVER = Server("15.1", False, 0.0, 10, 100, True, False, [])
URL = parse("postgresql://bot@h/db")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["database.ok"]),
        ({"pooled": True}, ["database.pooled"]),
        ({"replica": True, "leases": False}, ["database.replica"]),
        ({"leases": False, "version": "13.9"}, ["database.ok", "database.lease"]),
        ({"used": 90}, ["database.ok", "database.crowded"]),
    ],
)
def test_what_a_server_lacks(changes: dict[str, Any], expected: list[str]) -> None:
    """A replica, a server without leases, one that is nearly full."""
    assert URL is not None

    assert [each.name for each in of_server(SERVER._replace(**changes), URL)] == expected
    assert of_error(FullError("full"), URL).name == "database.full"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "lock.held"),
        ({"instance": "me"}, "lock.ours"),
        ({"silent": 99.0}, "lock.stalled"),
        ({"foreign": True, "silent": 99.0}, "lock.foreign"),
        ({"holds": False}, "lock.free"),
    ],
)
def test_who_holds_the_lock(changes: dict[str, Any], expected: str) -> None:
    """This very instance, another one, one that is silent, a stranger, nobody."""
    seat = Seat(1, True, "shop", "old", "", 7, 30.0, 60.0, 1.0, False)
    patient = Patient.of({"BOT_TOKEN": TOKEN, "LOGRULES_INSTANCE": "me"})

    assert [each.name for each in of_seats([seat._replace(**changes)], patient)] == [expected]


def test_mirror(database: PostgresServer) -> None:
    """The database of LOGRULES_STATE_URL is tried as well; that it is away stops no bot."""
    (well,) = look("mirror", LOGRULES_STATE_URL=database.url)
    (away,) = look("mirror", LOGRULES_STATE_URL=database.url.replace(PASSWORD, WRONG))

    assert (well.name, away.name, away.state) == ("mirror.ok", "mirror.away", "warn")
    assert "password authentication failed" in away.attrs["why"]
    assert look("mirror") == []


# Alerts


def test_sentry(sentry: SentryReceiver) -> None:
    """A key that is taken, one that is refused, a limit: and never an event."""
    wrong = sentry.dsn.replace("0123456789abcdef0123", "fedcba98765432100123")

    assert names(look("sentry", SENTRY_DSN=sentry.dsn)) == ["sentry.ok"]
    assert names(look("sentry", SENTRY_DSN=wrong)) == ["sentry.refused"]
    sentry.status(429, times=1)
    assert names(look("sentry", SENTRY_DSN=sentry.dsn)) == ["sentry.away"]
    assert names(look("sentry")) == ["sentry.off"]
    assert sentry.events == {}


def test_sentry_that_looks_its_key_up_behind_the_first_answer() -> None:
    """A server may take what it has not judged yet: it is asked again."""
    answers = iter([200, 403])

    def answer(exchange: Exchange) -> None:
        exchange.answer(404 if exchange.request.method == "GET" else next(answers), b"{}")

    server = HttpServer(answer)
    server.start()
    try:
        told = look(
            "sentry", step=0.5, SENTRY_DSN=server.url.replace("://", "://0123456789abcdef0123@") + "/1"
        )
    finally:
        server.close()

    assert names(told) == ["sentry.refused"]


def test_alert_chat(bot_api: BotApiServer) -> None:
    """Is it there, is the bot in it, may it write: asked, and nothing sent."""
    environ = {"LOGRULES_BOT_API": bot_api.url, "LOGRULES_ALERT_CHAT": "-42", "LOGRULES_ALERT_TOKEN": OTHER}

    def chat(**more: str) -> str:
        (only,) = names(look("chat", **environ | more))
        return only

    usual = dict(bot_api.methods)
    assert chat() == "chat.ok"
    assert chat(LOGRULES_ALERT_CHAT="@channel") == "chat.ok"
    assert chat(LOGRULES_ALERT_CHAT="42") == "chat.private"
    bot_api.methods["getChatMember"] = lambda _: {"status": "kicked"}
    assert chat() == "chat.missing"
    bot_api.methods["getChatMember"] = lambda _: {"status": "restricted", "can_send_messages": False}
    assert chat() == "chat.mute"
    bot_api.methods["getChatMember"] = lambda _: {"status": "member"}
    assert (chat(), chat(LOGRULES_ALERT_CHAT="@channel")) == ("chat.ok", "chat.mute")
    bot_api.methods["getChat"] = lambda _: {"type": "group", "permissions": {"can_send_messages": False}}
    assert chat() == "chat.mute"
    bot_api.methods.update(usual)
    bot_api.fail_next("getChat", 400, "Bad Request: chat not found")
    assert chat() == "chat.missing"
    bot_api.revoke(OTHER)
    assert chat() == "chat.token"
    bot_api.revoke()
    assert chat(LOGRULES_ALERT_TOKEN="", BOT_TOKEN=TOKEN) == "chat.own_token"
    bot_api.down()
    assert chat() == "chat.away"
    assert names(look("chat", LOGRULES_ALERT_CHAT="-42")) == ["chat.no_token"]
    assert names(look("chat")) == ["chat.off"]
    assert bot_api.sent == []


def test_receivers() -> None:
    """That nobody is told at all, or that a receiver of one's own is not there; none of it is run."""
    (nobody,) = look("receivers")
    assert nobody.name == "receivers.none"
    kinds = re.findall("[A-Z_]{5,}", NOBODY)
    assert len(kinds) == 4
    assert all(re.findall("[A-Z_]{5,}", nobody.message(lang)) == kinds for lang in ("en", "ru"))
    assert names(look("receivers", LOGRULES_ALERT_RECEIVERS="nowhere_at_all:tell")) == ["receivers.absent"]
    assert look("receivers", LOGRULES_ALERT_RECEIVERS="antigravity:tell") == []
    assert "antigravity" not in sys.modules


# The platform and the machine


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "platform.none"),
        ({"RENDER": "true", "RENDER_SERVICE_TYPE": "worker"}, "platform.ok"),
        ({"RENDER": "true", "RENDER_SERVICE_TYPE": "web", "PORT": "10000"}, "platform.ok"),
        (
            {"RENDER": "true", "RENDER_SERVICE_TYPE": "web", "PORT": "1", "LOGRULES_PORT": "off"},
            "platform.port",
        ),
        ({"RENDER": "true", "RENDER_SERVICE_TYPE": "cron"}, "platform.kind"),
        ({"RENDER": "true", "IS_PULL_REQUEST": "true"}, "platform.preview"),
        ({"RAILWAY_SERVICE_NAME": "x", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "5"}, "platform.drain"),
        ({"RAILWAY_SERVICE_NAME": "x", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "60"}, "platform.ok"),
        ({"DYNO": "web.1"}, "platform.web_dyno"),
        ({"DYNO": "worker.2"}, "platform.instances"),
        ({"DYNO": "worker.2", "DATABASE_URL": "postgresql://h/d"}, "platform.ok"),
        ({"DYNO": "run.4711"}, "platform.ok"),
        ({"FLY_APP_NAME": "x"}, "platform.ok"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "platform.ok"),
    ],
)
def test_platform(environ: dict[str, str], expected: str) -> None:
    """What the platform's own variables tell of a place in which a polling bot cannot live well."""
    assert names(look("platform", **environ)) == [expected]


def test_disk(tmp_path: Path) -> None:
    """Kept, kept nowhere, in no folder, or where the platform throws it away; nothing is written."""
    file = tmp_path / "file"
    file.touch()
    state = str(tmp_path / "new" / "x.sqlite3")

    assert names(look("disk", LOGRULES_STATE=state)) == ["disk.ok"]
    assert names(look("disk", LOGRULES_STATE=":memory:")) == ["disk.memory"]
    assert names(look("disk", LOGRULES_STATE=f"{file}/x.sqlite3")) == ["disk.unwritable"]
    mirrored = {"LOGRULES_STATE_URL": "postgresql://h/d"}
    assert names(look("disk", LOGRULES_STATE=state, RENDER="true", **mirrored)) == ["disk.ok"]
    assert names(look("disk", LOGRULES_STATE="/x.sqlite3", RENDER="true")) == ["disk.thrown_away"]
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("0.28.1", ">=0.27,<0.29", True),
        ("0.29", ">=0.27,<0.29", False),
        ("0.28.1", "~=0.27", True),
        ("0.28.1", "~=0.27.0", False),
        ("22.8rc1", "==22.*", True),
        ("1.0", "!=1.0.0", False),
    ],
)
def test_versions_are_compared(version: str, specifier: str, expected: bool) -> None:
    """As packaging's specification has it, as far as requirements of ours go."""
    assert machine.fits(version, specifier) is expected


def test_versions_that_do_not_fit() -> None:
    """What is here fits; an older python-telegram-bot, and one beside too new a library, do not."""
    wrong = list(machine.unfit({"python-telegram-bot": "20.7", "x": "2"}, [("y", "x", "<2")]))

    assert [(each["who"], each["version"]) for each in wrong] == [("guard()", "20.7"), ("y", "2")]
    assert names(look("versions")) == ["versions.ok"]


# Who has the same token


def test_it_is_said_that_render_was_never_asked() -> None:
    """What rests on documents alone is called so, in the help and in the docs."""
    docs = Path(__file__).parent.parent.parent / "docs"

    assert "never with Render itself" in " ".join(run("--help").stdout.split())
    assert "never tried with Render itself" in (docs / "doctor.md").read_text("utf-8")


@pytest.fixture
def render() -> Iterator[RenderApiServer]:
    with RenderApiServer() as server:
        yield server


def carriers(render: RenderApiServer, **environ: Any) -> list[Finding]:
    known = {"BOT_TOKEN": TOKEN, "RENDER_API_KEY": render.key, "LOGRULES_RENDER_API": render.url}
    return look("render", **known | environ)


def test_services_with_the_same_token(render: RenderApiServer) -> None:
    """Over all pages, in their own settings and in linked groups, whatever the variable is called."""
    worker = render.add_service(
        "shop", {"BOT_TOKEN": TOKEN, "DATABASE_URL": f"postgresql://u:{PASSWORD}@h/d"}
    )
    for number in range(PAGE + 5):
        render.add_service(f"site{number}", {"A": "b"}, kind="static_site")
    old = render.add_service("old", {"X": OTHER})
    render.add_service("asleep", {"TG": TOKEN}, suspended=True)
    (one,) = carriers(render, RENDER_SERVICE_ID=worker, RENDER="true")
    render.add_group("common", {"TELEGRAM": TOKEN}, [old])
    (shared,) = carriers(render, RENDER_SERVICE_ID=worker, RENDER="true")
    (outside,) = carriers(render)

    assert (one.name, one.state) == ("render.one", "ok")
    assert "asleep (background_worker, suspended: TG)" in one.attrs["having"]
    assert (shared.name, shared.code, shared.reason) == ("render.shared", "CONFLICT_409", "other_getupdates")
    assert [each["name"] for each in shared.attrs["services"]] == ["shop", "old", "asleep"]
    assert "old (background_worker: TELEGRAM of common)" in shared.attrs["having"]
    assert outside.name == "render.shared"
    assert names(carriers(render, BOT_TOKEN="777777:" + "C" * 35)) == ["render.nobody"]
    assert {path.partition("?")[2] for path in render.requests if path.startswith("/v1/services?")} == {
        "limit=100",
        "limit=100&cursor=c99%3D",
    }


def test_how_the_own_service_is_set_up(render: RenderApiServer) -> None:
    """With the key it is seen what the environment hides: instances, shutdown delay, plan."""
    mine = render.add_service(
        "shop",
        {"BOT_TOKEN": TOKEN},
        kind="web_service",
        numInstances=3,
        maxShutdownDelaySeconds=10,
        plan="free",
    )

    assert names(carriers(render, RENDER_SERVICE_ID=mine)) == [
        "platform.drain",
        "platform.instances",
        "platform.sleeps",
        "render.one",
    ]


def test_render_that_does_not_answer_as_wished(render: RenderApiServer) -> None:
    """A refused key, a limit at once or amid the list, another server, none: said, and the key never."""
    for number in range(12):
        render.add_service(f"s{number}", {})

    assert names(carriers(render, RENDER_API_KEY="rnd_" + "K" * 27)) == ["render.refused"]
    render.limit_after(len(render.requests))
    assert names(carriers(render)) == ["render.limited"]
    render.limit_after(len(render.requests) + 6)
    (nobody, partial) = carriers(render)
    assert (nobody.name, partial.name, partial.attrs["unseen"]) == ("render.nobody", "render.partial", 8)
    with BotApiServer() as other:
        assert names(carriers(render, LOGRULES_RENDER_API=other.url)) == ["render.away"]
    assert names(carriers(render, LOGRULES_RENDER_API=f"http://127.0.0.1:{free_port()}")) == ["render.away"]
    assert names(look("render", BOT_TOKEN=TOKEN)) == ["render.off"]
    assert names(look("render", RENDER_API_KEY=render.key)) == ["render.no_token"]


def test_ctrl_c_leaves_a_clean_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives up waiting gets the line of progress taken away, as at the end."""
    told: list[tuple[int, int]] = []

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(examination, "examine", interrupted)
    monkeypatch.setattr(examination, "_progress", lambda _: lambda done, all_: told.append((done, all_)))
    with pytest.raises(KeyboardInterrupt):
        examination.doctor(rules, as_json=False)
    assert told == [(len(CHECKS), len(CHECKS))]
