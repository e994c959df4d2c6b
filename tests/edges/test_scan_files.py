"""Files in one piece and in parts, packed, damaged, growing, shrinking: the same events, nothing lost."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random

import pytest

from logrules.core.model import LogrulesError
from logrules.core.reading.lines import LONGEST
from logrules.rules import rules
from logrules.scanning import logfiles, parts, scan
from tests.fuzz import logs

CONFLICT = "2026-01-15 08:29:41,511 - bot - ERROR - Conflict: terminated by other getUpdates request"
QUIET = "2026-01-15 08:29:41,512 - bot - INFO - tick {}"
TRACE = 'Traceback (most recent call last):\n  File "b.py", line 1, in f\nMemoryError'


@pytest.fixture(autouse=True)
def same_time(monkeypatch):
    """What has no stamp of its own bears the moment of the scan."""
    monkeypatch.setattr("logrules.scanning.scan.time.time", lambda: 1.0)


@pytest.fixture
def small(monkeypatch):
    """Parts of a few hundred lines."""
    monkeypatch.setattr(parts, "PART", 20_000)
    monkeypatch.setattr(scan, "MANY", 0)


def told(capfdbinary, *paths, jobs=1, coverage=False):
    """The status, what is printed, and the complaints."""
    status = scan.scan([str(path) for path in paths], rules, as_json=True, coverage=coverage, jobs=jobs)
    return status, *capfdbinary.readouterr()


def codes(output):
    return [json.loads(line)["code"] for line in output.splitlines()]


def heap(seed, *, damage=True):
    """Logs of every kind, one behind the other, and chatter between them."""
    dice = random.Random(seed)
    each = (logs.damaged(dice) if damage and dice.randrange(2) else logs.log(dice) for _ in range(150))
    return b"".join(data + b"\n" + QUIET.format(1).encode() + b"\n" * dice.choice((1, 1, 2)) for data in each)


@pytest.mark.usefixtures("small")
def test_parts_say_what_the_whole_says(tmp_path, capfdbinary):
    """Wherever files are cut: the same bytes in the same order, the same summary, the same counts."""
    tidy = heap(3, damage=False).replace(b"\r", b"")
    files = {
        "whole": heap(1),
        "windows": tidy.replace(b"\n", b"\r\n"),
        "coloured": b"\x1b[31m" + tidy.replace(b"\n", b"\x1b[0m\n\x1b[1;32m"),
        "dense": "\n".join(f"{CONFLICT} {number}\n{TRACE}" for number in range(900)).encode(),
        "no record": b"x" * 90_000 + b"\n" + TRACE.encode(),
        "empty": b"",
        "wide": tidy.decode("utf-8", "replace").encode("utf-16"),
        "Russian of Windows": tidy.decode("utf-8", "replace").encode("cp1251", "replace"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in files]
    planned = parts.planned([str(path) for path in paths])

    assert len([part for part in planned if part.path.endswith("dense")]) > 5
    one = told(capfdbinary, *paths)
    assert len(one[1].splitlines()) > 1500
    assert told(capfdbinary, *paths, jobs=3) == one
    assert told(capfdbinary, *paths, jobs=2, coverage=True) == told(capfdbinary, *paths, coverage=True)


@pytest.mark.usefixtures("small")
def test_much_output_waits_on_the_disk(tmp_path, capfdbinary, monkeypatch):
    """What a part has found is written to a file where it is much, and the file is gone when it is told."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("logrules.scanning.findings.SPOOL", 1000)
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "log"
    path.write_text(f"{CONFLICT}\n" * 2000)

    assert told(capfdbinary, path, jobs=2) == told(capfdbinary, path)
    assert list((tmp_path / "tmp").iterdir()) == []


def _zstd(data):
    return pytest.importorskip("zstandard").compress(data)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, _zstd])
def test_packed_files_are_read(tmp_path, capfdbinary, monkeypatch, pack, jobs):
    """Of several members, too; of a damaged one what stands before is told, and why there is no more."""
    monkeypatch.setattr(scan, "MANY", 0)
    text = "".join(f"{QUIET.format(random.Random(at).random())}\n" for at in range(20_000)).encode()
    whole = pack(f"{CONFLICT}\n".encode()) + pack(text + f"{CONFLICT}\n".encode())
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[:-200])
    (tmp_path / "after").write_text(f"{CONFLICT}\n")

    status, output, errors = told(
        capfdbinary, tmp_path / "whole", tmp_path / "cut", tmp_path / "after", jobs=jobs
    )
    assert (status, len(codes(output))) == (78, 4)
    assert b"cut: its " in errors
    assert b"data is damaged or cut short" in errors
    assert b"Name a log file" not in errors
    assert errors.count(b"\n") == 1
    packing = logfiles.packing(whole)
    assert packing
    read = logfiles.unpacking(packing, io.BytesIO(whole))
    assert sum(len(data) for data in iter(read, b"")) == len(text) + 2 * len(f"{CONFLICT}\n")
    assert read() == b""  # however often it is asked


def test_zstandard_may_be_missing(tmp_path, capfdbinary, monkeypatch):
    """Then it is said how to read the file."""
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    (tmp_path / "x.zst").write_bytes(b"\x28\xb5\x2f\xfd....")

    status, _, errors = told(capfdbinary, tmp_path / "x.zst")
    assert status == 78
    assert b"pip install 'logrules[zstd]', or: zstdcat " in errors


def test_file_that_shrinks_is_told_of(tmp_path):
    """That what was cut off while it was read is missing is said; what grows is read on."""
    path = tmp_path / "log"
    path.write_bytes(b"x\n" * logfiles.CHUNK)
    with logfiles.opened(str(path)) as file:
        chunks = file.chunks()
        next(chunks)
        with path.open("ab") as more:
            more.write(b"more\n")
        assert sum(map(len, chunks)) == logfiles.CHUNK + 5
    with logfiles.opened(str(path)) as file:
        chunks = file.chunks()
        next(chunks)
        os.truncate(path, 10)
        with pytest.raises(LogrulesError, match="became shorter while it was read"):
            list(chunks)
    (part,) = parts.planned([str(path)])
    with logfiles.opened(str(path)) as file, pytest.raises(LogrulesError, match="became shorter"):
        part._replace(end=100).read(file.fd)


@pytest.mark.usefixtures("small")
def test_part_of_a_growing_file(tmp_path):
    """The last part ends where the file does when it is read."""
    path = tmp_path / "log"
    path.write_text(f"{CONFLICT}\n" * 1000)
    planned = parts.planned([str(path)])
    with path.open("a") as more:
        more.write(f"{CONFLICT}\n" * 5)
    task = scan._Task(rules.rulebook, scan._findings(rules, people=False, as_json=True, coverage=False), 1.0)
    found = [scan._read(part, lambda _: 1, task)[0] for part in planned]

    assert len(found) > 3
    assert len(codes(b"".join(found))) == 1005


def test_a_line_of_a_million_columns(tmp_path, capfdbinary):
    """It is cut, and what stands before, in its beginning and behind it is found."""
    (tmp_path / "log").write_text(f"{CONFLICT}\n{CONFLICT}{'x' * 1_000_000}\n{QUIET}\n{CONFLICT}\n")

    _, output, _ = told(capfdbinary, tmp_path / "log")
    assert [json.loads(line)["line"] for line in output.splitlines()] == [1, 2, 4]
    assert max(map(len, output.splitlines())) < LONGEST
