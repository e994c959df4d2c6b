"""The environment is read once, checked, and never quoted back."""

import os
import re
import socket
from pathlib import Path
from string import Formatter

import pytest

from logrules.core import faults
from logrules.core.guarding.lease import Timers
from logrules.core.model import ConfigError
from logrules.settings import form, platform, read
from logrules.sinks.console import LineWriter

TOKEN = "123456:" + "A" * 35
DSN = "https://0123456789abcdef@o1.ingest.sentry.io/5"


def test_nothing_set_is_fine():
    """Every setting has a default; the instance names the host and the process."""
    settings = read({"HOME": "/home/bob"})

    assert settings.service == "logrules"
    assert settings.instance == f"{socket.gethostname()}:{os.getpid()}"
    assert (settings.lang, settings.overlap, settings.conflict_grace, settings.flush) == ("en", 0, 60, 5)
    assert settings.state == Path("/home/bob/.local/state/logrules/logrules.sqlite3")
    assert settings.bot_api == "https://api.telegram.org"
    assert {settings.token, settings.sentry_dsn, settings.alert_chat, settings.database_url} == {None}


def test_empty_counts_as_unset():
    """A platform's blank variable is the same as none."""
    names = [
        "BOT_TOKEN",
        "SENTRY_DSN",
        "DATABASE_URL",
        "LOGRULES_OVERLAP",
        "LOGRULES_ALERT_CHAT",
        "LOGRULES_LANG",
    ]

    assert read(dict.fromkeys(names, " "), command="x") == read({}, command="x")


NAMES = ["LOGRULES_SERVICE", "RENDER_SERVICE_NAME", "FLY_APP_NAME", "RAILWAY_SERVICE_NAME"]


@pytest.mark.parametrize("first", range(len(NAMES)))
def test_service_order(first):
    """The service is named by the user, else by the platform."""
    assert read({name: name.lower() for name in NAMES[first:]}).service == NAMES[first].lower()


def test_service_without_a_name():
    """Without a name, the bot's id or else the command names the service."""
    assert read({"BOT_TOKEN": TOKEN}, command="bot.py").service == "bot123456"
    assert read({}, command="bot.py").service == "bot.py"


@pytest.mark.parametrize(
    "name", ["LOGRULES_INSTANCE", "RENDER_INSTANCE_ID", "FLY_MACHINE_ID", "RAILWAY_REPLICA_ID"]
)
def test_instance(name):
    """The platform knows what an instance is called."""
    assert read({name: "srv-abc-x7k2p"}).instance == "srv-abc-x7k2p"


def test_monitor():
    """A bot with a Sentry checks in under its own name, under another one, or not at all."""
    environ = {"SENTRY_DSN": DSN, "LOGRULES_SERVICE": "shop"}

    assert read(environ).crons == "shop"
    assert read(environ | {"LOGRULES_CRONS": "mine"}).crons == "mine"
    assert read(environ | {"LOGRULES_CRONS": "off"}).crons is None
    assert read({"LOGRULES_CRONS": "mine"}).crons is None


SECRET = "whsec_" + "QUJD" * 11  # 33 bytes


def test_receivers():
    """Each receiver of alerts has its setting; names of functions are kept in their order, once each."""
    environ = {
        "LOGRULES_ALERT_WEBHOOK": "https://h.example:8443/x?y=z",
        "LOGRULES_ALERT_WEBHOOK_SECRET": SECRET,
    }
    settings = read(environ | {"LOGRULES_ALERT_RECEIVERS": "a:b, my.mod:obj.send,a:b"})

    assert settings.alert_webhook == "https://h.example:8443/x?y=z"
    assert settings.alert_webhook_key == b"ABC" * 11
    assert settings.alert_receivers == ("a:b", "my.mod:obj.send")
    assert not [part for part in ("h.example", "QUJD", "ABC") if part in repr(settings)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(
            ("LOGRULES_ALERT_WEBHOOK", url)
            for url in (
                "h.example",
                "ftp://h/x",
                "https://u:p@h/x",
                "https://h/a b",
                "https://h/#x",
                "https:///x",
            )
        ),
        *(
            ("LOGRULES_ALERT_WEBHOOK_SECRET", secret)
            for secret in (SECRET[6:], "whsec_", "whsec_QUJD", "whsec_" + "QUJD" * 22, SECRET + "!", "пароль")
        ),
        *(
            ("LOGRULES_ALERT_RECEIVERS", named)
            for named in ("ntfy", "a:b:c", "a:", ":b", "a:b;c:d", "1a:b", "a/b:c")
        ),
    ],
)
def test_malformed_receiver_is_refused(setting, value):
    """A receiver that cannot work is named, with the form that it must have; its value is not."""
    with pytest.raises(ConfigError, match=f"^{setting} must ") as refused:
        read({setting: value})

    assert value not in str(refused.value).replace("whsec_$(", "").replace("whsec_ and", "")


def test_token_order():
    """The caller's token goes before BOT_TOKEN, that before TELEGRAM_BOT_TOKEN."""
    environ = {"BOT_TOKEN": "2:b", "TELEGRAM_BOT_TOKEN": "3:c"}

    assert read(environ, token="1:a").token == "1:a"
    assert read(environ).token == "2:b"
    assert read({"TELEGRAM_BOT_TOKEN": "3:c"}).token == "3:c"


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (f'"{TOKEN}"', "quotes"),
        (f"{TOKEN}\n", "a space or a line break"),
        ("123456 :AAAA", "a space or a line break"),
        ("AAAAAAAAAA", "no colon"),
        (f"bot{TOKEN}", "begins with the word bot"),
        (":AAAAA", "digits before its colon"),
        ("abc:AAAAA", "digits before its colon"),
        ("123456:", "nothing after its colon"),
        ("123456:AAAA$AAAA", "a character that no token has"),
        ("١٢٣٤٥٦:AAAA", "digits before its colon"),
    ],
)
@pytest.mark.parametrize("setting", ["BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "LOGRULES_ALERT_TOKEN"])
def test_malformed_token(setting, token, fault):
    """What is wrong with a token is said exactly, and the token is not."""
    with pytest.raises(ConfigError) as caught:
        read({setting: token})

    assert setting in str(caught.value)
    assert fault in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_a_malformed_token_of_the_application():
    """A token given by the caller is checked, too; in either language all of the sentence is said in it."""
    with pytest.raises(ConfigError, match="the bot's token is empty") as caught:
        read({}, token="")
    assert caught.value.said("ru").startswith("токен бота: пуст; запишите токен так")


def test_every_fault_is_said_in_both_languages():
    """Each sentence has the same places to fill in Russian; nothing raises one that is not in the table."""

    def places(text):
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name)

    table = {name: each for name, each in vars(faults).items() if isinstance(each, faults.Fault)}
    assert len(table) > 40
    names = {"LEASE", "LEASE_OR_FENCE", "NOTHING"}
    for name, each in table.items():
        assert places(each.en) == places(each.ru), name
        assert re.search("[а-яё]", each.ru) or name in names, name
    package = Path(faults.__file__).parents[1]
    used = ""
    guarding = (f"core/guarding/{name}" for name in ("database_url", "conflict", "lease"))
    for module in ("settings", "polling/locks", *guarding):
        text = (package / f"{module}.py").read_text("utf-8")
        assert "raise ConfigError" not in text, module
        used += text
    assert {name for name in table if not re.search(rf"faults\.{name}\b", used)} == set()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(
            (name, value)
            for name in ("LOGRULES_OVERLAP", "LOGRULES_CONFLICT_GRACE", "LOGRULES_FLUSH")
            for value in ("-1.5", "nan", "inf", "3600.5", "soon77", "2m", "1,5")
        ),
        ("SENTRY_DSN", "o1.ingest.sentry.io/55555"),
        ("SENTRY_DSN", "https://o1.ingest.sentry.io/55555"),
        ("SENTRY_DSN", "https://key\udcffkey@o1.ingest.sentry.io/55555"),
        ("SENTRY_DSN", "https://keykey@o1.ingest.sentry.io/"),
        ("SENTRY_DSN", "https://keykey@o1.ingest.sentry.io/abcde"),
        ("SENTRY_DSN", "https://keykey@/55555"),
        ("SENTRY_DSN", "https://keykey@[::1/55555"),
        ("SENTRY_DSN", "https://keykey@host:99999/55555"),
        ("SENTRY_DSN", "ftp://keykey@host/55555"),
        ("SENTRY_DSN", '"https://keykey@host/55555"'),
        ("LOGRULES_ALERT_CHAT", "my_chat"),
        ("LOGRULES_ALERT_CHAT", "@abc"),
        ("LOGRULES_ALERT_CHAT", "https://t.me/my_chat"),
        ("LOGRULES_ALERT_CHAT", "-100 1234"),
        ("LOGRULES_LANG", "deutsch"),
        ("LOGRULES_EVENT_FD", "stderr"),
        ("LOGRULES_EVENT_FD", "2"),
        ("LOGRULES_SERVICE", "two\nlines"),
        ("LOGRULES_INSTANCE", "x" * 101),
        ("LOGRULES_ON_FATAL", "parking"),
        ("LOGRULES_WEBHOOK", "remove it"),
        ("LOGRULES_ALERT_BUTTONS", "yes"),
        ("LOGRULES_RUNBOOKS", "https://wiki.example/codes"),
        ("LOGRULES_RUNBOOKS", "javascript:{code}"),
        ("LOGRULES_RUNBOOKS", "https://wiki.example/\udcff/{code}"),
        ("LOGRULES_ALERT_WEBHOOK", "https://host.example/\udcff"),
        ("LOGRULES_PORT", "http://x"),
        ("LOGRULES_PORT", "65536"),
        ("LOGRULES_BOT_API", "botapi.local:8081"),
        ("LOGRULES_BOT_API", "https://user:hunter22@host"),
    ],
)
def test_malformed(setting, value):
    """A malformed setting is named with the form it must have; its value is not repeated."""
    with pytest.raises(ConfigError) as caught:
        read({setting: value})

    message = str(caught.value)
    assert message.startswith(setting)
    assert "\n" not in message
    assert value == "2" or value not in message


@pytest.mark.parametrize(
    ("environ", "overlap"),
    [
        ({}, 0),
        ({"RENDER": "true"}, 150),
        ({"RAILWAY_SERVICE_NAME": "bot"}, 150),
        ({"RENDER": "true", "LOGRULES_OVERLAP": "0"}, 0),
        ({"LOGRULES_OVERLAP": " 12.5 "}, 12.5),
    ],
)
def test_overlap(environ, overlap):
    """Where deploys overlap, conflicts have 150 seconds of grace; the setting wins."""
    assert read(environ).overlap == overlap


@pytest.mark.parametrize(
    ("environ", "state"),
    [
        ({"LOGRULES_STATE": ":memory:", "HOME": "/h"}, None),
        ({"LOGRULES_STATE": "/data/x.db"}, "/data/x.db"),
        ({"LOGRULES_STATE": "~/x.db", "HOME": "/h"}, "/h/x.db"),
        ({"XDG_STATE_HOME": "/s", "LOGRULES_SERVICE": "a/b c"}, "/s/logrules/a_b_c.sqlite3"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/logrules/logrules.sqlite3"),
        ({}, None),
    ],
)
def test_state(environ, state):
    """The state is a file of the service's own, or stays in memory."""
    assert read(environ).state == (Path(state) if state else None)


def test_database_url_is_kept_as_it_is():
    """Every form seen in the wild passes; our own setting goes before the platform's."""
    assert read({"DATABASE_URL": "sqlite:///x.db"}).database_url == "sqlite:///x.db"
    assert read({"DATABASE_URL": "a", "LOGRULES_DATABASE_URL": "b"}).database_url == "b"
    assert (
        read({"DATABASE_URL": "a", "LOGRULES_DATABASE_URL": "b"}).database_setting == "LOGRULES_DATABASE_URL"
    )
    assert read({"DATABASE_URL": "a", "LOGRULES_DATABASE_URL": " "}).database_setting == "DATABASE_URL"


@pytest.mark.parametrize("chat", ["-1001234567890", "42", "@my_channel"])
def test_chat(chat):
    """A chat is a number or a name."""
    assert read({"LOGRULES_ALERT_CHAT": chat}).alert_chat == chat


@pytest.mark.parametrize("dsn", [DSN, "http://k:s@127.0.0.1:9000/1", "https://k@sentry.example.org/path/42/"])
def test_dsn(dsn):
    """A DSN of Sentry's cloud, a local one and one with a path are all good."""
    assert read({"SENTRY_DSN": dsn}).sentry_dsn == dsn


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({"LOGRULES_LANG": "ru"}, "ru"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LOGRULES_LANG": "en", "LANG": "ru_RU.UTF-8"}, "en"),
    ],
)
def test_lang(environ, lang):
    """LOGRULES_LANG, else LANG, else English."""
    assert read(environ).lang == lang


def test_secrets_are_not_in_the_repr():
    """Settings can be printed or appear in a traceback without giving anything away."""
    environ = {
        "BOT_TOKEN": TOKEN,
        "LOGRULES_ALERT_TOKEN": "654321:" + "B" * 35,
        "SENTRY_DSN": DSN,
        "DATABASE_URL": "postgres://bob:hunter22@db/x",
    }
    shown = repr(read(environ))

    assert not [part for part in ("AAAA", "BBBB", "0123456789abcdef", "hunter22") if part in shown]


def test_the_release_and_the_event_descriptor():
    """The platform's commit is the release; the wrapper's descriptor is a number."""
    settings = read({"RENDER_GIT_COMMIT": "abc123", "LOGRULES_EVENT_FD": "5", "SENTRY_ENVIRONMENT": "prod"})

    assert (settings.release, settings.events_fd, settings.environment) == ("abc123", 5, "prod")


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, None),
        ({"PORT": "10000"}, 10000),
        ({"PORT": "8080", "LOGRULES_PORT": "9000"}, 9000),
        ({"PORT": "8080", "LOGRULES_PORT": "off"}, None),
        ({"PORT": "off"}, None),
        ({"PORT": "/dev/ttyUSB0"}, None),
    ],
)
def test_port(environ, port):
    """The platform's PORT unless told otherwise; a PORT that is no port is somebody else's affair."""
    assert read(environ).port == port


def test_what_happens_around_a_life():
    """A preview is idle unless told to poll; parking and deleting webhooks are asked for."""
    preview = {"IS_PULL_REQUEST": "true"}

    assert (read({}).preview, read({}).park, read({}).delete_webhook) == (False, False, False)
    assert read(preview).preview
    assert not read({**preview, "LOGRULES_PREVIEW": "poll"}).preview
    assert not read({"IS_PULL_REQUEST": "false"}).preview
    assert read({"LOGRULES_ON_FATAL": "park"}).park
    assert not read({"LOGRULES_ON_FATAL": "exit"}).park
    assert read({"LOGRULES_WEBHOOK": "delete"}).delete_webhook
    with pytest.raises(ConfigError, match="LOGRULES_PREVIEW must be poll"):
        read({**preview, "LOGRULES_PREVIEW": "yes"})


def test_timers_are_those_that_were_asked_for():
    """What depends on the lease follows it; `strict` outlasts any fence."""
    timers = read({"LOGRULES_LEASE": "60", "LOGRULES_DRAIN": "20", "LOGRULES_PATIENCE": "30"}).timers
    strict = read({"LOGRULES_FENCE": "22", "LOGRULES_GRACE": "strict"}).timers

    assert read({}).timers == Timers()
    assert (timers.lease, timers.dropped, timers.keepalive) == (60, 60, 10)
    assert timers.fence == pytest.approx(40)
    assert (timers.drain, timers.patience, timers.grace) == (20, 30, 2)
    assert strict.fence < strict.grace <= strict.fence + 1
    assert read({"LOGRULES_GRACE": "0"}).timers.grace == 0


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"LOGRULES_LEASE": "10"}, ("LOGRULES_LEASE", "LOGRULES_FENCE")),
        ({"LOGRULES_LEASE": "20", "LOGRULES_FENCE": "25"}, ("LOGRULES_LEASE", "LOGRULES_FENCE")),
        ({"LOGRULES_FENCE": "15"}, ("LOGRULES_LEASE", "LOGRULES_FENCE")),
        ({"LOGRULES_LEASE": "0"}, ("LOGRULES_LEASE",)),
        ({"LOGRULES_DRAIN": "soon"}, ("LOGRULES_DRAIN",)),
        ({"LOGRULES_GRACE": "Strict!"}, ("LOGRULES_GRACE", "or the word strict")),
    ],
)
def test_timers_that_make_no_sense(environ, named):
    """A contradiction names both settings; a value that is none names its own, and what else it may be."""
    with pytest.raises(ConfigError) as error:
        read(environ)

    assert all(name in str(error.value) for name in named)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (" ", None),
        ("none", ()),
        ("a.toml", ("a.toml",)),
        (f"a.toml{os.pathsep}{os.pathsep}b c", ("a.toml", "b c")),
    ],
)
def test_packs_are_named_as_path_names_folders(value, expected):
    """LOGRULES_PACKS lists files and folders; `none` means none, and nothing means those of the folder."""
    assert read({} if value is None else {"LOGRULES_PACKS": value}).packs == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RENDER": "true"}, "render"),
        ({"RAILWAY_SERVICE_NAME": "bot"}, "railway"),
        ({"FLY_APP_NAME": "bot"}, "fly"),
        ({"DYNO": "worker.1"}, "heroku"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"RENDER": ""}, None),
        ({}, None),
    ],
)
def test_a_platform_is_known_by_what_it_sets(environ, expected):
    """So that remediations can name the way of that platform only."""
    assert platform(environ) == expected


def test_event_lines_are_text_for_people_and_json_for_programs() -> None:
    """Text at a terminal, else JSON, as under the wrapper; the setting goes before; colours if wanted."""
    ours, theirs = os.openpty()
    reader, writer = os.pipe()
    line = b'{"timestamp":"2026-11-22T09:40:42.1Z","level":"info","message":"m"}\n'

    def shown(environ: dict[str, str], fd: int) -> bytes:
        LineWriter(writer, form(environ, fd)).write(line)
        return os.read(reader, 1000)

    assert shown({"TERM": "xterm"}, theirs) == b"\x1b[2m09:40:42\x1b[0m \x1b[36mi\x1b[0m  m\n"
    for plain in ({"TERM": "dumb"}, {}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert shown(plain, theirs) == b"09:40:42 i  m\n"
    assert shown({"LOGRULES_FORMAT": "text", "TERM": "xterm"}, writer) == b"09:40:42 i  m\n"
    for asked in ({"LOGRULES_FORMAT": "json"}, {"LOGRULES_EVENT_FD": "3"}):
        assert shown(asked, theirs) == line
    assert shown({}, writer) == line
    with pytest.raises(ConfigError, match="LOGRULES_FORMAT must be json or text"):
        read({"LOGRULES_FORMAT": "pretty"})
    for fd in (ours, theirs, reader, writer):
        os.close(fd)
