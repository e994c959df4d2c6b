"""What the environment asks for: the one place that reads it.

Every LOGRULES_* number is in seconds. A malformed setting ends in a `ConfigError` that names the setting and
the form it must have, never its value. An empty string is the same as nothing.

A command waits for this before it is started: what takes long to import is imported where it is needed.
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from logrules.core import faults
from logrules.core.model import ConfigError
from logrules.core.text import language, runbook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from logrules.core.faults import Fault
    from logrules.core.guarding.database_url import DatabaseUrl
    from logrules.core.guarding.lease import Held, Timers

BOT_API = "https://api.telegram.org"
RENDER_API = "https://api.render.com/v1"

TOKENS = ("BOT_TOKEN", "TELEGRAM_BOT_TOKEN")
"""Settings that are read as the bot's token, in this order."""
_CERTAIN = re.compile(r"[0-9]{6,}:[A-Za-z0-9_-]{30,}(/test)?")
"""What has this form is a token, whatever it is called: https://core.telegram.org/bots/api#authorizing-your-bot."""

OVERLAP = 150.0
"""Seconds for which a deploy may run two instances: Render's 60, its usual shutdown delay, and a margin."""

CONFLICT_GRACE = 60.0
"""Seconds within which a second conflict proves the first: shorter believes less, longer remembers more."""

FLUSH = 5.0
"""Seconds that a dying process gives its alerts; must fit into the platform's own shutdown delay."""

STRICT = "strict"
"""The value of LOGRULES_GRACE for which a takeover waits until no earlier holder can live."""

LONGEST = 3600.0
"""More seconds than this is a mistake in any of our settings."""

_TIMERS = {
    "lease": "LOGRULES_LEASE",
    "fence": "LOGRULES_FENCE",
    "grace": "LOGRULES_GRACE",
    "drain": "LOGRULES_DRAIN",
    "patience": "LOGRULES_PATIENCE",
}
"""The few of the lock's durations that an operator may have a reason to set."""

_WORDS = {"LOGRULES_GRACE": faults.OR_STRICT}

DATABASE = ("LOGRULES_DATABASE_URL", "DATABASE_URL")
"""Where the database's address is looked for; the first one counts."""

_NAME_LENGTH = 100  # fits into a tag of any alert receiver
_LAST_PORT = 65535
_STANDARD_DESCRIPTORS = 3  # input, output, errors
_LEAST_KEY, _LONGEST_KEY = 24, 64  # bytes, of what signs a webhook


_SECRET = frozenset(
    {"sentry_dsn", "alert_token", "alert_webhook", "alert_webhook_key", "token", "database_url", "render_key"}
)
"""Settings that nobody is shown."""


class Settings(NamedTuple):
    """What a program was told, checked. Secrets are not in its repr."""

    service: str
    instance: str
    lang: str
    """`en` or `ru`."""
    sentry_dsn: str | None = None
    alert_chat: str | None = None
    """The Telegram chat that gets alerts: an id or @name."""
    alert_token: str | None = None
    """The token of another bot, which sends the alerts."""
    alert_buttons: bool = False
    """Whether the bot answers the buttons below an alert."""
    alert_webhook: str | None = None
    """The address that gets alerts as JSON."""
    alert_webhook_key: bytes | None = None
    """Signs what goes there."""
    crons: str | None = None
    """The name of the Sentry monitor that the bot checks in with; None for no check-ins."""
    alert_receivers: tuple[str, ...] = ()
    """Receivers of the user's own, each as `module:function`."""
    token: str | None = None
    """The guarded bot's token."""
    database_url: str | None = None
    """As it was set, in any form seen in the wild."""
    database_setting: str = "DATABASE_URL"
    """Where it came from, for people."""
    state_file: str | None = None
    """The file of incidents and unsent alerts; None keeps them in memory."""
    state_url: DatabaseUrl | None = None
    """The database that mirrors the state, for a platform that throws the disk away."""
    overlap: float = 0.0
    """Seconds after LOCK_ACQUIRED in which conflicts may come from the deploy itself."""
    conflict_grace: float = CONFLICT_GRACE
    """Seconds within which a second conflict proves the first; 0 makes the first one fatal."""
    release: str | None = None
    environment: str | None = None
    events_fd: int | None = None
    """The inherited descriptor on which a guarded child speaks to its wrapper."""
    held: Held | None = None
    """The lock that the wrapper holds."""
    flush: float = FLUSH
    """Seconds that a dying process gives its alerts."""
    bot_api: str = BOT_API
    """Where the Bot API is, without a slash at the end."""
    runbooks: str | None = None
    """The address of pages on codes, with {code} and {lang} in it."""
    durations: Mapping[str, float] = {}
    """The lock's durations that are not the usual ones."""
    packs: tuple[str, ...] | None = None
    """Packs of the user's own; None: those of the working directory."""
    port: int | None = None
    """Where to answer /healthz, /readyz and /metrics, if nobody else does."""
    preview: bool = False
    """A preview deploy that must not poll."""
    delete_webhook: bool = False
    """Delete a webhook that is set while the bot polls, once; else it is a conflict at once."""
    park: bool = False
    """Stay, idle, after an end that a restart cannot cure."""
    render_key: str | None = None
    """A key of Render's API, for those who ask which services have the same token."""
    render_api: str = RENDER_API
    """Where that API is, without a slash at the end."""

    @property
    def state(self) -> Path | None:
        """The file of incidents and unsent alerts, as a path."""
        from pathlib import Path

        return Path(self.state_file) if self.state_file else None

    def runbook(self, code: str) -> str:
        """The address of the page on `code`; empty if nobody has named one."""
        return runbook(self.runbooks, code, self.lang)

    @property
    def timers(self) -> Timers:
        """The lock's durations. Raises ConfigError where two contradict each other."""
        return _timers(self.durations)

    def __repr__(self) -> str:
        """What may be shown."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name not in _SECRET)
        return f"Settings({', '.join(shown)})"


def read(environ: Mapping[str, str], *, token: str | None = None, command: str | None = None) -> Settings:
    """The settings in `environ`.

    Args:
        environ: Names and values, such as `os.environ`.
        token: The token that the caller already has; goes before any setting.
        command: The program's name, which names the service where nothing else does.

    Raises:
        ConfigError: A setting is malformed; its text names the setting and how to put it right.
    """
    env = {name: value for name, value in environ.items() if value.strip()}
    _choice(env, "LOGRULES_FORMAT", "text", usual="json")  # `form` goes by it, before anything else is read
    token = _token(env, token)
    service = _service(env, token, command)
    return Settings(
        service=service,
        instance=_name(env, "LOGRULES_INSTANCE")
        or _first(env, "RENDER_INSTANCE_ID", "FLY_MACHINE_ID", "RAILWAY_REPLICA_ID")
        or f"{_host()}:{os.getpid()}",
        lang=_lang(env),
        sentry_dsn=_dsn(env),
        alert_chat=_chat(env),
        alert_token=_checked_token("LOGRULES_ALERT_TOKEN", env.get("LOGRULES_ALERT_TOKEN")),
        alert_buttons=_choice(env, "LOGRULES_ALERT_BUTTONS", "on", usual="off"),
        alert_webhook=_webhook(env),
        alert_webhook_key=_webhook_key(env),
        crons=_crons(env, service),
        alert_receivers=_receivers(env),
        token=token,
        database_url=_first(env, *DATABASE),
        database_setting=next((name for name in DATABASE if name in env), DATABASE[-1]),
        state_file=_state(env, service),
        state_url=_state_url(env),
        overlap=_seconds(env, "LOGRULES_OVERLAP", OVERLAP if _overlaps(env) else 0.0),
        conflict_grace=_seconds(env, "LOGRULES_CONFLICT_GRACE", CONFLICT_GRACE),
        release=_first(
            env, "LOGRULES_RELEASE", "SENTRY_RELEASE", "RENDER_GIT_COMMIT", "RAILWAY_GIT_COMMIT_SHA"
        ),
        environment=_first(env, "SENTRY_ENVIRONMENT", "RAILWAY_ENVIRONMENT_NAME"),
        events_fd=_descriptor(env),
        held=_held(env),
        flush=_seconds(env, "LOGRULES_FLUSH", FLUSH),
        bot_api=_api(env, "LOGRULES_BOT_API", BOT_API, faults.OF_BOT_API),
        runbooks=runbooks(env),
        durations=_durations(env),
        packs=packs(env),
        port=port(env),
        preview=env.get("IS_PULL_REQUEST") == "true" and not _choice(env, "LOGRULES_PREVIEW", "poll"),
        delete_webhook=_choice(env, "LOGRULES_WEBHOOK", "delete"),
        park=parks(env),
        render_key=env.get("RENDER_API_KEY", "").strip() or None,
        render_api=_api(env, "LOGRULES_RENDER_API", RENDER_API, faults.OF_RENDER_API),
    )


def lenient(environ: Mapping[str, str]) -> tuple[Settings, list[ConfigError]]:
    """The settings that are well formed, and what is wrong with each of the others.

    Raises:
        ConfigError: A fault that no setting has on its own.
    """
    env, found = dict(environ), list[ConfigError]()
    while True:
        try:
            return read(env), found
        except ConfigError as error:
            named = [name for name in re.findall(r"[A-Z][A-Z_]+", str(error)) if name in env]
            if not named:
                raise
            found.append(error)
            del env[named[0]]


def parks(environ: Mapping[str, str]) -> bool:
    """LOGRULES_ON_FATAL, by itself: it counts where another setting is malformed, too.

    Raises:
        ConfigError: it is neither exit nor park.
    """
    return _choice(environ, "LOGRULES_ON_FATAL", "park", usual="exit")


def form(environ: Mapping[str, str], fd: int) -> Callable[[bytes], bytes] | None:
    """How event lines look on a descriptor: LOGRULES_FORMAT, else text at a terminal. None for JSON.

    A bot under the wrapper says JSON, by which that knows its lines.
    """
    is_terminal = os.isatty(fd)
    asked = environ.get("LOGRULES_FORMAT") or ("text" if is_terminal else "json")
    if asked != "text" or environ.get("LOGRULES_EVENT_FD"):
        return None
    from logrules.core.output.readable import Readable

    dumb = environ.get("TERM", "dumb") in {"dumb", "unknown"} or environ.get("NO_COLOR")
    return Readable(colours=is_terminal and not dumb)


def runbooks(environ: Mapping[str, str]) -> str | None:
    """LOGRULES_RUNBOOKS, by itself. Raises ConfigError: it leads to no page of a code."""
    address, part = environ.get("LOGRULES_RUNBOOKS", "").strip(), r"[^\s<>\"\ud800-\udfff]*"
    if address and not re.fullmatch(rf"https?://{part}\{{code\}}{part}", address):
        raise faults.RUNBOOKS.error()
    return address or None


def packs(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """LOGRULES_PACKS: files and folders, as PATH names them; `none` for no packs. None if it is not set."""
    value = environ.get("LOGRULES_PACKS", "").strip()
    if not value:
        return None
    return () if value == "none" else tuple(path for path in value.split(os.pathsep) if path.strip())


_PLATFORMS = {
    "RENDER": "render",
    "RAILWAY_SERVICE_NAME": "railway",
    "FLY_APP_NAME": "fly",
    "DYNO": "heroku",
    "KUBERNETES_SERVICE_HOST": "kubernetes",
}
"""Variables that platforms set, each on its own."""


def platform(environ: Mapping[str, str]) -> str | None:
    """Where we run, as remediations name it; None where nothing tells."""
    return next((name for variable, name in _PLATFORMS.items() if environ.get(variable)), None)


def _first(env: Mapping[str, str], *names: str) -> str | None:
    return next((env[name] for name in names if name in env), None)


def _name(env: Mapping[str, str], setting: str) -> str | None:
    value = env.get(setting)
    if value is not None and not (len(value) <= _NAME_LENGTH and value.isprintable()):
        raise faults.NAME.error(setting=setting, most=_NAME_LENGTH)
    return value


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def _service(env: Mapping[str, str], token: str | None, command: str | None) -> str:
    named = _first(env, "RENDER_SERVICE_NAME", "FLY_APP_NAME", "RAILWAY_SERVICE_NAME")
    bot = f"bot{token.partition(':')[0]}" if token else None  # known before any request, and no secret
    return _name(env, "LOGRULES_SERVICE") or named or bot or command or "logrules"


def _lang(env: Mapping[str, str]) -> str:
    if not re.match(r"(en|ru|c$|c\.|posix)", env.get("LOGRULES_LANG", "en").lower()):
        raise faults.LANG.error()
    return language(env)


def _token(env: Mapping[str, str], given: str | None) -> str | None:
    if given is not None:
        return _checked_token(faults.THE_TOKEN, given)
    for setting in TOKENS:
        if setting in env:
            return _checked_token(setting, env[setting])
    return None


def _checked_token(setting: str | Fault, token: str | None) -> str | None:
    """`token`, in the form that BotFather gives it: https://core.telegram.org/bots/api#authorizing-your-bot."""
    if token is None:
        return None
    fault = _token_fault(token)
    if fault:
        raise faults.TOKEN.error(setting=setting, what=fault)
    return token


def is_token(text: str) -> bool:
    """Whether this has the form of a token."""
    return _token_fault(text) is None


def tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """What certainly is a token, by the names of its settings, whichever; not LOGRULES_ALERT_TOKEN."""
    found = {name: value.strip() for name, value in sorted(environ.items())}
    return {
        name: value
        for name, value in found.items()
        if _CERTAIN.fullmatch(value) and not name.startswith("LOGRULES_")
    }


def _token_fault(token: str) -> Fault | None:
    bot, colon, secret = token.partition(":")
    tests = (
        (not token, faults.TOKEN_EMPTY),
        (any(quote in token for quote in "\"'`«»“”‘’"), faults.TOKEN_QUOTED),
        (any(char.isspace() for char in token), faults.TOKEN_SPACED),
        (token.startswith("bot"), faults.TOKEN_BOT),
        (not colon, faults.TOKEN_NO_COLON),
        (not re.fullmatch(r"[0-9]+", bot), faults.TOKEN_NO_DIGITS),
        (not secret, faults.TOKEN_HALF),
        # `/test` selects Telegram's test environment.
        (
            not re.fullmatch(r"[A-Za-z0-9_-]+(/test)?", secret),
            faults.TOKEN_STRANGE,
        ),
    )
    return next((fault for is_so, fault in tests if is_so), None)


def _held(env: Mapping[str, str]) -> Held | None:
    told = env.get("LOGRULES_LOCK_HELD")
    if told is None:
        return None
    from logrules.core.guarding.lease import Held

    return Held.heard(told)


def _dsn(env: Mapping[str, str]) -> str | None:
    """SENTRY_DSN, in the form `https://key@host/project`: https://docs.sentry.io/concepts/key-terms/dsn-explainer/."""
    dsn = env.get("SENTRY_DSN")
    if dsn is None:
        return None
    fault = _dsn_fault(dsn)
    if fault:
        raise faults.DSN.error(what=fault)
    return dsn


def _dsn_fault(dsn: str) -> Fault | None:
    from urllib.parse import urlsplit

    try:
        url = urlsplit(dsn)
        tests = (
            (any(char.isspace() or char in "\"'" for char in dsn), faults.DSN_SPACED),
            (url.scheme not in {"http", "https"}, faults.DSN_SCHEME),
            (not re.fullmatch(r"[!-~]+", url.username or ""), faults.DSN_KEYLESS),
            (not url.hostname, faults.DSN_HOSTLESS),
            (url.port == 0, faults.DSN_PORT),
            (
                not url.path.rstrip("/").rpartition("/")[2].isdecimal(),
                faults.DSN_PROJECT,
            ),
        )
    except ValueError:
        return faults.DSN_NO_URL
    return next((fault for is_so, fault in tests if is_so), None)


def _chat(env: Mapping[str, str]) -> str | None:
    chat = env.get("LOGRULES_ALERT_CHAT")
    if chat is not None and not re.fullmatch(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}", chat):
        raise faults.CHAT.error()
    return chat


def _webhook(env: Mapping[str, str]) -> str | None:
    url = env.get("LOGRULES_ALERT_WEBHOOK")
    if url is not None and not re.fullmatch(r"https?://[^\s/?#@'\"\\]+(/[^\s#'\"\\\ud800-\udfff]*)?", url):
        raise faults.WEBHOOK.error()
    return url


def _webhook_key(env: Mapping[str, str]) -> bytes | None:
    """The key behind the secret: https://github.com/standard-webhooks/standard-webhooks, Signature scheme."""
    secret = env.get("LOGRULES_ALERT_WEBHOOK_SECRET")
    if secret is None:
        return None
    import base64

    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not (secret.startswith("whsec_") and _LEAST_KEY <= len(key) <= _LONGEST_KEY):
        raise faults.WEBHOOK_KEY.error(least=_LEAST_KEY, most=_LONGEST_KEY)
    return key


def _crons(env: Mapping[str, str], service: str) -> str | None:
    name = _name(env, "LOGRULES_CRONS") or service
    return name if "SENTRY_DSN" in env and name != "off" else None


def _receivers(env: Mapping[str, str]) -> tuple[str, ...]:
    named = env.get("LOGRULES_ALERT_RECEIVERS", "").replace(",", " ").split()
    if not all(re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", name) for name in named):
        raise faults.RECEIVERS.error()
    return tuple(dict.fromkeys(named))


def _state(env: Mapping[str, str], service: str) -> str | None:
    """LOGRULES_STATE, else one file per service under https://specifications.freedesktop.org/basedir-spec/."""
    home = env.get("HOME")
    asked = env.get("LOGRULES_STATE")
    if asked == ":memory:":
        return None
    if asked:
        return f"{home}/{asked[2:]}" if home and asked.startswith("~/") else asked
    base = env.get("XDG_STATE_HOME", "")
    folder = base if base.startswith("/") else f"{home}/.local/state" if home else None
    return f"{folder}/logrules/{re.sub(r'[^A-Za-z0-9_.-]', '_', service)}.sqlite3" if folder else None


def _state_url(env: Mapping[str, str]) -> DatabaseUrl | None:
    raw = env.get("LOGRULES_STATE_URL")
    if raw is None:
        return None
    from logrules.core.guarding import database_url

    url = database_url.parse(raw, "LOGRULES_STATE_URL")
    if url is None:
        raise faults.STATE_URL.error()
    return url


def _overlaps(env: Mapping[str, str]) -> bool:
    return "RENDER" in env or "RAILWAY_SERVICE_NAME" in env


def _seconds(env: Mapping[str, str], setting: str, default: float) -> float:
    try:
        seconds = float(env.get(setting, default))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST:
        also = _WORDS.get(setting, faults.NOTHING)
        raise faults.SECONDS.error(setting=setting, most=LONGEST, such=default or OVERLAP, also=also)
    return seconds


def _durations(env: Mapping[str, str]) -> dict[str, float]:
    from math import inf

    is_strict = env.get("LOGRULES_GRACE") == STRICT
    asked = {name: setting for name, setting in _TIMERS.items() if setting in env}
    if not asked:
        return {}
    from logrules.core.guarding.lease import Timers

    usual = Timers()
    given = {
        name: inf
        if is_strict and setting == "LOGRULES_GRACE"
        else _seconds(env, setting, getattr(usual, name))
        for name, setting in asked.items()
    }
    _timers(given)  # which refuses what makes no sense
    return given


def _timers(given: Mapping[str, float]) -> Timers:
    """The lock's durations: what depends on the lease follows it; an endless grace is the strict one."""
    from dataclasses import replace
    from math import inf

    from logrules.core.guarding.lease import Timers, strict

    is_strict = given.get("grace") == inf
    lasting = {name: seconds for name, seconds in given.items() if not (is_strict and name == "grace")}
    timers = Timers.scaled(**{"lease": Timers().lease, **lasting})
    return replace(timers, grace=strict(timers)) if is_strict else timers


def _descriptor(env: Mapping[str, str]) -> int | None:
    value = env.get("LOGRULES_EVENT_FD")
    if value is not None and not (re.fullmatch(r"[0-9]{1,7}", value) and int(value) >= _STANDARD_DESCRIPTORS):
        raise faults.DESCRIPTOR.error()
    return None if value is None else int(value)


def _choice(env: Mapping[str, str], setting: str, word: str, *, usual: str = "") -> bool:
    """Whether the setting is this word, and not left out or the usual one."""
    value = env.get(setting, usual).strip()
    if value not in {word, usual}:
        fault = faults.CHOICE_OF_TWO if usual else faults.CHOICE
        raise fault.error(setting=setting, usual=usual, word=word)
    return value == word


def port(environ: Mapping[str, str]) -> int | None:
    """LOGRULES_PORT, else PORT: https://render.com/docs/web-services#port-binding.

    By itself, as `parks` is. Raises ConfigError: LOGRULES_PORT is no port.
    """
    setting = "LOGRULES_PORT" if "LOGRULES_PORT" in environ else "PORT"
    value = environ.get(setting)
    if value is None or (setting == "LOGRULES_PORT" and value == "off"):
        return None
    if not (re.fullmatch(r"[0-9]{1,5}", value) and 0 < int(value) <= _LAST_PORT):
        if setting == "PORT":
            return None  # the platform's affair, or the bot's: not ours to refuse
        raise faults.PORT.error()
    return int(value)


def _api(env: Mapping[str, str], setting: str, usual: str, whose: Fault) -> str:
    url = env.get(setting, usual)
    if not re.fullmatch(r"https?://[^\s/?#@'\"]+(/[^\s?#'\"]*)?", url):
        raise faults.ADDRESS.error(setting=setting, whose=whose, such=usual)
    return url.rstrip("/")
