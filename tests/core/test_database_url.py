"""DATABASE_URL in every form seen in the wild."""

from __future__ import annotations

import asyncpg
import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args

from logrules.core.guarding.database_url import DRIVER_OPTIONS, FOREIGN_OPTIONS, parse
from logrules.core.model import ConfigError

KEYS = [
    *("host", "port", "user", "password", "passfile", "database", "ssl", "service", "servicefile"),
    *("direct_tls", "server_settings", "target_session_attrs", "krbsrvname", "gsslib"),
]


def driven(url):
    """What the driver makes of our form: where, who, what, and what it would send as a setting."""
    where, what = _parse_connect_dsn_and_args(dsn=parse(url).dsn, **dict.fromkeys(KEYS))
    return where, what.user, what.password, what.database, what.server_settings


@pytest.mark.parametrize(
    ("url", "where", "user", "password", "database"),
    [
        ("postgres://u:p@h/d", [("h", 5432)], "u", "p", "d"),
        ("postgresql+asyncpg://u:p@h:6000/d", [("h", 6000)], "u", "p", "d"),
        ("postgresql+psycopg2://u:p@h/d?sslmode=require", [("h", 5432)], "u", "p", "d"),
        ("POSTGRES://u:p%40w@h/d", [("h", 5432)], "u", "p@w", "d"),
        ("postgres://u:p@w@h/d", [("h", 5432)], "u", "p@w", "d"),
        ("postgres://u:a#b/c?d@h:1/d?pgbouncer=true", [("h", 1)], "u", "a#b/c?d", "d"),
        ("postgres://u:100%@h/d", [("h", 5432)], "u", "100%", "d"),
        ("postgres://u:пароль@h/d", [("h", 5432)], "u", "пароль", "d"),
        (" 'postgres://u:p@h/d' ", [("h", 5432)], "u", "p", "d"),
        ("psql 'postgresql://u:p@h/d?sslmode=require&channel_binding=require'", [("h", 5432)], "u", "p", "d"),
        ("jdbc:postgresql://h/d?user=u&password=p", [("h", 5432)], "u", "p", "d"),
        ("postgres://h/d?user=a@b&password=p", [("h", 5432)], "a@b", "p", "d"),
        ("postgres://u:p@h1:1,h2:2/d", [("h1", 1), ("h2", 2)], "u", "p", "d"),
        ("postgres://u:p@[::1]:5433/d", [("::1", 5433)], "u", "p", "d"),
        ("postgresql://u:p@/d?host=/run/pg", ["/run/pg/.s.PGSQL.5432"], "u", "p", "d"),
        ("postgres://u:p@h/my%20db", [("h", 5432)], "u", "p", "my db"),
        ("postgres://u:p@/d?host=h&port=99", [("h", 99)], "u", "p", "d"),
        (
            "postgresql+psycopg2://u:p@/d?host=/cloudsql/p:r:i",
            ["/cloudsql/p:r:i/.s.PGSQL.5432"],
            *("u", "p", "d"),
        ),
        ("postgresql+psycopg://u:p@h/d?sslmode=no-verify", [("h", 5432)], "u", "p", "d"),
        ("postgres://u:p@h:5432/d?schema=public&connection_limit=1", [("h", 5432)], "u", "p", "d"),
    ],
)
def test_driver_understands_our_form(url, where, user, password, database):
    """The driver gets host, role, password and database as they were meant, and no setting to send."""
    assert driven(url) == (where, user, password, database, None)
    assert parse(url).database == database


@pytest.mark.parametrize("option", sorted(FOREIGN_OPTIONS - DRIVER_OPTIONS))
def test_foreign_option_is_left_out_and_named(option):
    """What other tools write into the URL never reaches the server, and is noted."""
    url = f"postgres://u:p@h/d?{option}=1&sslmode=require"

    assert driven(url)[4] is None
    assert option in parse(url).notes[0]


def test_unknown_option_is_named_but_not_its_value():
    """A misspelt option is named; a value, or what may be a piece of a password, is not."""
    url = parse("postgres://u:p@h/d?sslmod=s3cret&s3cret%23word=1")

    assert url.unknown == ("sslmod", "an option")
    assert url.notes == ()


@pytest.mark.parametrize(
    ("option", "mode"),
    [
        ("ssl=true", "require"),
        ("ssl=verify-full", "verify-full"),
        ("tls=0", "disable"),
        ("sslmode=REQUIRE", "require"),
    ],
)
def test_ssl_of_other_drivers(option, mode):
    """`ssl=` is translated to what `sslmode=` calls it."""
    assert parse(f"postgres://u:p@h/d?{option}").dsn.endswith(f"?sslmode={mode}")


def test_connect_timeout_is_ours():
    """The option of libpq becomes our bound; 0, which means for ever there, has an end here."""
    assert parse("postgres://h/d?connect_timeout=7").connect_timeout == 7
    assert parse("postgres://h/d?connect_timeout=0").connect_timeout == 60


@pytest.mark.parametrize(
    "url", ["sqlite:///bot.db", "sqlite+aiosqlite:///x", "mysql://u:p@h/d", "mongodb+srv://h"]
)
def test_another_kind_of_database(url):
    """Not PostgreSQL is no error."""
    assert parse(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "host=h password=s3cret",
        "${{Postgres.DATABASE_URL}}",
        "postgres://u:s3cret@h:port/d",
        "postgres://u:s3cret@h:0/d",
        "postgres://u:s3cret@h:70000/d",
        "postgres://u:s3cret@a b/d",
        "postgres://u:s3cret@/d",
        "postgres://u:s3cret@",
        "postgres://u@/d",
        "postgres://:s3cret@:5433/d",
        "postgres://u:s3cret@:5433/d",
        "postgres://u:s3cret@h1,:5433/d",
        "postgres://u:s3cret@h/d?sslmode=s3cret",
        "postgres://u:p@h/d?connect_timeout=s3cret",
    ],
)
def test_malformed(url):
    """One line that names the setting and the form, and no part of the value."""
    with pytest.raises(ConfigError) as error:
        parse(url, "LOGRULES_DATABASE_URL")

    assert str(error.value).startswith("LOGRULES_DATABASE_URL")
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_address_without_host_is_a_decision():
    """An empty variable must not lead to this host's own server; a socket or no name at all may."""
    with pytest.raises(ConfigError, match=r"names no host.*\?host=/run/postgresql"):
        parse("postgres://u:p@/d")
    local = parse("postgresql:///bot")

    assert local.database == "bot"
    assert local.host == "(local)"
    assert "this very machine" in local.notes[0]
    assert parse("postgresql://u:p@/d?host=/run/pg").host == "/run/pg"


def test_certificates_are_told_apart_from_the_systems_own():
    """A file is named, so that its absence can be told; `system` is the strict mode with no file."""
    url = parse("postgres://u:p@h/d?sslmode=verify-ca&sslrootcert=/etc/ca.pem&sslkey=k%20ey")
    system = parse("postgres://u:p@h/d?sslrootcert=system")

    assert url.certificates == (("sslrootcert", "/etc/ca.pem"), ("sslkey", "k ey"))
    assert system.certificates == ()
    assert system.dsn.endswith("?sslrootcert=system&sslmode=verify-full")


def test_text_form_shows_no_password():
    """Printing it gives nothing away."""
    assert "s3cret" not in repr(parse("postgres://u:s3cret@h/d"))


def test_what_the_driver_itself_does():
    """The reason for all this: the driver refuses a scheme and forwards a foreign option as a setting."""
    with pytest.raises(asyncpg.ClientConfigurationError):
        _parse_connect_dsn_and_args(dsn="postgresql+asyncpg://h/d", **dict.fromkeys(KEYS))
    _, what = _parse_connect_dsn_and_args(dsn="postgres://u@h/d?pgbouncer=true", **dict.fromkeys(KEYS))

    assert what.server_settings == {"pgbouncer": "true"}
