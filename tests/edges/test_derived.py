"""What is derived from the packs is kept between processes, and never believed blindly."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from logrules import derived, kept
from logrules.core.literals import plan
from logrules.core.literals.scanner import Literal
from logrules.core.literals.search import Hit, Search
from logrules.core.literals.shelf import Wanted, packed
from logrules.core.ruleset import needs as core
from logrules.documents import documents, shipment

TEXTS = [
    "(?:Conflict: )?[Tt]erminated by other getUpdates request",
    r"Ошибка (?:при запуске|подключения): ",
    r"\(\w{3}\s\w{3}\)\sin\s(?:httpx|aiohttp.connector)",
    "psycopg2.OperationalError: .{1,80} Connection refused",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where it is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "logrules"


def only(folder):
    return next(folder.iterdir())


def test_the_same_kept_or_derived(folder):
    """The second process gets what the first has derived, whatever else it asks for."""
    first = derived.needs(TEXTS[:2])
    second = derived.needs(TEXTS)

    assert second == derived.needs(TEXTS) == core.needs(TEXTS)
    assert first == second[:2]


def test_kept_is_not_derived_again(folder, monkeypatch):
    """Only expressions that nobody has met before are derived."""
    derived.needs(TEXTS[:3])
    asked: list[list[str]] = []
    whole = core.needs

    def derive(texts):
        asked.append(texts)
        return whole(texts)

    monkeypatch.setattr(core, "needs", derive)
    derived.needs(TEXTS)

    assert asked == [TEXTS[3:]]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-3], id="cut"),
        pytest.param(lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], id="one bit"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"another version!" + core.dump({}), id="of another version"),
    ],
)
def test_damaged_file_is_made_anew(folder, damage):
    """A file that is not what we wrote is not believed, and the next process has a sound one."""
    derived.needs(TEXTS)
    sound = only(folder).read_bytes()
    only(folder).write_bytes(damage(sound))

    assert derived.needs(TEXTS) == core.needs(TEXTS)
    assert only(folder).read_bytes() == sound


def test_what_came_with_the_code_is_taken_as_it_is(folder, tmp_path, monkeypatch):
    """A wheel's is kept nowhere else; one of other code, or that cannot be read, is as good as none."""
    monkeypatch.setattr(kept, "SHIPPED", tmp_path)
    (tmp_path / derived.LITERALS).write_bytes(derived.shipment(TEXTS))
    with monkeypatch.context() as patched:
        patched.setattr(core, "needs", None)
        whole = derived.needs(TEXTS)
        assert not folder.exists()
    for data in (b"another version!" + core.dump({}), derived.shipment(TEXTS)[:-3], b""):
        (tmp_path / derived.LITERALS).write_bytes(data)

        assert derived.needs(TEXTS) == whole == core.needs(TEXTS)


def test_others_file_is_not_believed(folder, monkeypatch):
    """Whoever can write the file could make us blind to what he likes."""
    derived.needs(TEXTS)
    lie = core.dump(dict.fromkeys(TEXTS, core.Need(packed(Wanted(())), tells=False)))
    only(folder).write_bytes(kept.sealed(lie, derived.LITERALS))
    monkeypatch.setattr(os, "geteuid", lambda: only(folder).stat().st_uid + 1)

    assert derived.needs(TEXTS) == core.needs(TEXTS)


PACK = """
format = 0
[[pattern]]
code = "CONFLICT_409"
any = ['terminated by other']
match = ['terminated by other']
"""


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: None, id="none"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-3]), id="cut"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(b"terminated", b"Terminated")),
            id="a byte",
        ),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.chmod(0o666), id="others may write it"),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_documents_are_kept_and_never_believed_blindly(folder, tmp_path, monkeypatch, damage):
    """TOML is read once; a file that is damaged or another's is made anew, and so is one of other packs."""
    pack_file = tmp_path / "pack.toml"
    pack_file.write_text(PACK, "utf-8")
    first = [*documents("packs", [pack_file])]
    sound = only(folder).read_bytes()
    damage(only(folder))

    assert first == [{"format": 0, "pattern": [{"code": "CONFLICT_409", "any": ["terminated by other"]}]}]
    assert [*documents("packs", [pack_file])] == first
    assert only(folder).read_bytes() == sound
    with monkeypatch.context() as patched:
        patched.setattr(tomllib, "loads", None)
        assert [*documents("packs", [pack_file])] == first
    pack_file.write_text(PACK.replace("any = ['terminated", "any = ['Terminated"), "utf-8")
    assert [*documents("packs", [pack_file])] != first


def test_documents_that_came_with_the_code(folder, tmp_path, monkeypatch):
    """A wheel's are read instead of TOML and kept nowhere else, unless somebody has changed the pack."""
    pack_file = tmp_path / "pack.toml"
    pack_file.write_text(PACK, "utf-8")
    monkeypatch.setattr(kept, "SHIPPED", tmp_path)
    (tmp_path / "packs").write_bytes(shipment([pack_file]))
    with monkeypatch.context() as patched:
        patched.setattr(tomllib, "loads", None)
        (first,) = documents("packs", [pack_file])
    assert not folder.exists()
    pack_file.write_text(PACK.replace("any = ['terminated", "any = ['Terminated"), "utf-8")

    assert first["pattern"][0]["any"] == ["terminated by other"]
    assert [each["pattern"][0]["any"] for each in documents("packs", [pack_file])] == [
        ["Terminated by other"]
    ]


@pytest.mark.parametrize("where", ["/dev/null", "not absolute", "file"])
def test_nowhere_to_keep_it(tmp_path, monkeypatch, where):
    """Then every process derives it, and says nothing."""
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file") if where == "file" else where)
    monkeypatch.delenv("HOME", raising=False)

    assert derived.needs(TEXTS) == core.needs(TEXTS)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-3]), id="cut"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[:-9] + b"?" + path.read_bytes()[-8:]), id="a byte"
        ),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.chmod(0o666), id="others may write it"),
        pytest.param(lambda path: _lie(path, b"no database"), id="none"),
        pytest.param(lambda path: _lie(path, path.read_bytes()[16:24] + b"\xff" * 900), id="no plan"),
        pytest.param(
            lambda path: _lie(path, plan._encoded(plan._Kept(b"x" * 900, [], b""))), id="of another processor"
        ),
        pytest.param(lambda path: path.unlink(), id="gone"),
    ],
)
def test_database_is_kept_and_never_believed_blindly(folder, damage):
    """The second search need not compile; what is damaged, another's or another processor's is made anew."""

    def search():
        return Search([Wanted(((Literal(b"abc"),),))], derived.Databases(), warm_up=1)

    assert search().scan(b"x abc\n") == [Hit(6, frozenset({0}))]
    path, sound = only(folder), only(folder).read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    damage(path)

    assert search().scan(b"x abc\n") == [Hit(6, frozenset({0}))]
    assert only(folder).read_bytes() == sound


def test_database_for_letters_beyond_ascii_is_kept_apart(folder):
    """Whoever has none of them needs none of it; damaged it is made anew."""
    wanted = [Wanted(((Literal("Бот".encode()),),)), Wanted(((Literal(b"abc"),),))]

    def names():
        return {path.name for path in folder.iterdir()}

    Search(wanted, derived.Databases(), warm_up=1).scan(b"abc\n")
    first = names()
    for _ in range(2):
        search = Search(wanted, derived.Databases(), warm_up=1)
        assert search.scan("abc Бот\n".encode()) == [Hit(11, frozenset({0, 1}))]
        (other,) = names() - first
        (folder / other).write_bytes(b"?")


def _lie(path, data):
    """Somebody who knows how a file is signed."""
    path.write_bytes(kept.sealed(data, path.name.removeprefix("database-")))


def test_no_more_databases_are_kept_than_are_used(folder):
    """The oldest goes when there are too many; what was kept is found at once, before a warm-up is over."""
    store = derived.Databases()
    for number in range(derived.DATABASES + 2):
        store.save(f"{number}", b"x")
        os.utime(folder / f"database-{number}", (number, number))
    store.save("new", b"y")
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"database-{number + 3}" for number in range(derived.DATABASES - 1)),
        "database-new",
    ]
    wanted = [Wanted(((Literal(b"abc"),),))]
    Search(wanted, store, warm_up=1).scan(b"abc\n")
    warm = Search(wanted, store)
    for _ in range(40):
        warm.scan(b"abc\n")
    assert warm.databases


def test_commands_say_the_same_at_their_second_start(folder, tmp_path):
    """Whole processes: the first keeps, the second finds, and both print the same."""
    log = tmp_path / "bot.log"
    said = "Error while getting Updates: Conflict: terminated by other getUpdates request"
    log.write_text(f"2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - {said}\n", "utf-8")
    command = [sys.executable, "-m", "logrules", "scan", "--json", str(log)]
    first, second = (subprocess.run(command, capture_output=True, check=False) for _ in range(2))

    assert b"CONFLICT_409" in first.stdout
    assert (first.stdout, first.stderr) == (second.stdout, second.stderr)
    assert only(folder).stat().st_mode & 0o077 == 0
