"""DATABASE_URL in every form seen in the wild, as the one form that the driver takes.

Platforms, ORMs and other languages write options into the URL that the driver would send to the server as
settings, where they are errors. Known ones are translated or left out with a note, unknown ones named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from logrules.core import faults

SCHEMES = {"postgres", "postgresql", "psql", "pg", "postgis"}
"""What means PostgreSQL, before any `+driver`."""
DRIVER_OPTIONS = {  # taken by the driver as they are
    *("host", "port", "user", "password", "dbname", "database", "passfile", "service"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
}
FOREIGN_OPTIONS = {  # other drivers, ORMs and poolers; nothing that a lock's connection needs
    *("pgbouncer", "schema", "connection_limit", "pool_timeout", "pool_size", "max_overflow", "pool_recycle"),
    *("statement_cache_size", "prepared_statement_cache_size", "statement_cache_mode", "sslaccept"),
    *("prepared_statement_name_func", "prepare_threshold", "prepareThreshold", "socket_timeout", "pool_mode"),
    *("application_name", "fallback_application_name", "client_encoding", "options", "target_session_attrs"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
    *("gssencmode", "gssdelegation", "replication", "load_balance_hosts", "async_fallback", "single_use"),
    *("pool", "min_size", "max_size", "pool_pre_ping", "supa", "workaround", "requiressl", "sslcompression"),
    *("channel_binding", "require_auth", "sslcertmode", "sslsni", "currentSchema", "search_path"),
}
_SSL_WORDS = {  # `ssl=` of other drivers, as `sslmode=` says it
    **dict.fromkeys(("true", "1", "on", "yes", "no-verify"), "require"),
    **dict.fromkeys(("false", "0", "off", "no"), "disable"),
}
SYSTEM = "system"
"""What `sslrootcert` is where the system's own certificates are meant."""
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SCHEME = re.compile(r"([a-z][a-z0-9.-]*)(?:\+[\w.-]+)?://", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9a-f:.%]+\]|[^\s@:\[\]/?#,]*)(?::(\d*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where the database is. Its text form shows no password."""

    dsn: str = field(repr=False)
    """For the driver; holds the password."""
    host: str
    database: str
    certificates: tuple[tuple[str, str], ...] = ()
    """Files that it names for TLS: each with the option that names it."""
    connect_timeout: float | None = None
    """Seconds, if the URL asked for some."""
    notes: tuple[str, ...] = ()
    """What was translated or left out, for people: names of options, never their values."""
    unknown: tuple[str, ...] = ()
    """Options that nobody knows, by name: left out, and perhaps misspelt."""


def parse(raw: str, setting: str = "DATABASE_URL") -> DatabaseUrl | None:
    """The database that `raw` names; None if it is of another kind, such as `sqlite:///bot.db`.

    Args:
        raw: the setting's value.
        setting: its name, for errors.

    Raises:
        ConfigError: it is no URL, or one that makes no sense; names the fault, never a part of the value.
    """
    text = _unwrapped(raw)
    scheme = _SCHEME.match(text)
    if not scheme:
        raise faults.URL_NONE.error(setting=setting, how=faults.URL_HOW)
    if scheme[1].lower() not in SCHEMES:
        return None
    authority, _, query = text[scheme.end() :].partition("?")
    if "@" not in authority and "@" in query and not _plain(authority):  # a raw ? in the password
        authority, _, query = _split_raw(text[scheme.end() :])
    user, hosts, path = _authority(authority, setting)
    options, timeout, notes, unknown = _options(query.partition("#")[0], setting)
    if "host" not in options and not _names_hosts(hosts):
        if user or hosts:
            raise faults.URL_HOSTLESS.error(setting=setting, how=faults.URL_HOW)
        notes.append("it names no host: the server on this very machine is used")
    if options.get("sslrootcert") == SYSTEM:
        options["sslmode"] = "verify-full"  # as libpq has it
    database = _decoded(path) or _decoded(options.get("dbname", options.get("database", ""))) or "(default)"
    dsn = f"postgresql://{user}{hosts}/{path}"
    if options:
        dsn += "?" + "&".join(f"{key}={value}" for key, value in options.items())
    host = hosts or _decoded(options.get("host", "(local)"))
    files = tuple((name, _decoded(options[name])) for name in _FILES if options.get(name, SYSTEM) != SYSTEM)
    return DatabaseUrl(dsn, host, database, files, timeout, tuple(notes), tuple(unknown))


def _unwrapped(raw: str) -> str:
    """Without what comes along when the URL is copied from a shell or an .env file."""
    text = raw.strip()
    text = re.sub(r"^(?:psql\s+|jdbc:|(?:export\s+)?DATABASE_URL\s*=\s*)", "", text)
    return text.strip().strip("'\"").strip()


def _names_hosts(hosts: str) -> bool:
    return all(host.partition(":")[0] for host in hosts.split(","))


def _plain(authority: str) -> bool:
    hosts = re.split(r"[/#]", authority, maxsplit=1)[0]
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


def _split_raw(rest: str) -> tuple[str, str, str]:
    """Authority and query of a URL whose password holds a `?` as it is."""
    secret, _, tail = rest.rpartition("@")
    authority, mark, query = tail.partition("?")
    return f"{secret}@{authority}", mark, query


def _authority(text: str, setting: str) -> tuple[str, str, str]:
    """`user:password@`, `host:port,…` and the path, each safe to put into a URL."""
    secret, at, tail = text.rpartition("@")  # a raw @, / or # in a password stands before the last @
    hosts, _, path = tail.partition("/")
    if "#" in hosts or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise faults.URL_MALFORMED.error(setting=setting, how=faults.URL_HOW)
    for host in hosts.split(","):
        port = _HOST.fullmatch(host)[1]  # type: ignore[index]  # matched above
        if port and not 0 < int(port) < 1 << 16:
            raise faults.URL_PORT.error(setting=setting)
    name, colon, password = secret.partition(":")
    return f"{_encoded(name)}{colon}{_encoded(password)}{at}", hosts, _encoded(path.partition("#")[0])


def _options(query: str, setting: str) -> tuple[dict[str, str], float | None, list[str], list[str]]:
    kept: dict[str, str] = {}
    notes: list[str] = []
    unknown: list[str] = []
    timeout = None
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        key, word = _decoded(key), _decoded(value).lower()
        if key == "connect_timeout":
            timeout = _seconds(word, setting)
            notes.append("connect_timeout is used as ours")
        elif key in {"ssl", "sslmode", "tls"}:
            kept["sslmode"] = _ssl_mode(word, key, setting)
        elif key in DRIVER_OPTIONS:
            kept[key] = _encoded(value)
        elif key in FOREIGN_OPTIONS:
            notes.append(f"{key} means nothing to the lock's connection and is left out")
        else:
            # A raw & in a password would show its rest here.
            unknown.append(key if re.fullmatch(r"[A-Za-z_]{1,40}", key) else "an option")
    return kept, timeout, notes, unknown


def _seconds(word: str, setting: str) -> float:
    if not re.fullmatch(r"\d{1,6}", word):
        raise faults.URL_TIMEOUT.error(setting=setting)
    return float(word) or 60.0  # 0 means no limit: ours has one


def _ssl_mode(word: str, key: str, setting: str) -> str:
    mode = _SSL_WORDS.get(word, word)
    if mode not in _SSL_MODES:
        raise faults.URL_SSL.error(setting=setting, key=key, modes=", ".join(_SSL_MODES))
    return mode


def _encoded(text: str) -> str:
    """`text` with everything encoded that would end its part of a URL; what is encoded already stays."""
    return re.sub(
        r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9%._~!$'()*,;:-]",
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")),
        text,
    )


def _decoded(text: str) -> str:
    plain = re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda found: bytes([int(found[1], 16)]),
        text.encode("utf-8", "surrogateescape"),
    )
    return plain.decode("utf-8", "replace")
