"""Lines on real descriptors: whole, counted when lost, and never an exception."""

import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from logrules.core.event import Event
from logrules.core.model import Severity
from logrules.core.output.readable import Readable
from logrules.core.redact import Redactor
from logrules.sinks.console import Console, LineWriter

TOKEN = "123456:" + "A" * 35


def event(message="hello", **fields):
    return Event(
        timestamp="2026-11-22T09:40:42.123456Z",
        level=Severity.INFO,
        message=message,
        service="kie-bot",
        instance="host:7",
        **fields,
    )


@pytest.fixture
def pipe():
    """A pipe whose ends are closed after the test, unless it did so itself."""
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass


def drained(reader):
    """The lines that wait in a pipe."""
    os.set_blocking(reader, False)
    data = b""
    while True:
        try:
            chunk = os.read(reader, 1 << 20)
        except BlockingIOError:
            break
        if not chunk:
            break
        data += chunk
    return data


def shrink(writer):
    """Make the pipe as small as it can be, and its writing end one that does not block."""
    os.set_blocking(writer, False)
    return fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)


def test_a_line_is_one_json_object(pipe):
    """An event is one line with the schema's version, in the schema's order, Cyrillic readable."""
    reader, writer = pipe
    line = Console(writer, Redactor()).write(event("Webhook удалён"))

    assert drained(reader) == line
    assert list(json.loads(line)) == ["timestamp", "level", "message", "service", "instance", "v"]
    assert "Webhook удалён".encode() in line


def test_no_secret_in_any_field(pipe):
    """Every text of an event is redacted, wherever it stands."""
    reader, writer = pipe
    Console(writer, Redactor(["hunter22"])).write(
        event(f"a {TOKEN}", raw=f"/bot{TOKEN}/", attrs={f"k {TOKEN}": ["hunter22", {"url": "x://a:pw@h"}]})
    )
    line = drained(reader).decode()

    assert "AAAA" not in line
    assert "hunter22" not in line
    assert ":pw@" not in line
    assert line.count("123456:***") == 3


def test_no_secret_in_the_text_for_a_terminal(pipe):
    """What people read is made of the redacted line, particulars and remediation included."""
    reader, writer = pipe
    told = event(
        f"a {TOKEN}", code="X_Y", remediation=f"{TOKEN}.", attrs={f"k {TOKEN}": ["hunter22", "x://a:pw@h"]}
    )
    told.level = Severity.ERROR
    Console(LineWriter(writer, Readable(colours=False)), Redactor(["hunter22"])).write(told)
    text = drained(reader).decode()

    assert text.startswith("09:40:42 ✖ X_Y  a 123456:***")
    assert "123456:***: [" in text
    assert not any(secret in text for secret in ("AAAA", "hunter22", ":pw@"))


def test_a_closed_pipe_is_no_reason_to_die(pipe):
    """When the reader has gone, lines are lost in silence."""
    reader, writer = pipe
    os.close(reader)
    console = Console(writer, Redactor())

    for _ in range(3):
        console.write(event())


def test_a_closed_descriptor_is_no_reason_to_die(pipe):
    """A descriptor that somebody closed is like a reader that has gone."""
    _, writer = pipe
    os.close(writer)

    assert json.loads(Console(writer, Redactor()).write(event()))


def test_a_full_disk_is_no_reason_to_die():
    """On a full disk every write fails, and nothing is raised."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for _ in range(3):
            Console(full, Redactor()).write(event())
    finally:
        os.close(full)


def test_what_was_lost_is_said_once_it_can_be(tmp_path, pipe):
    """After an outage the first line tells how many lines are missing and why; then it is forgotten."""
    reader, writer = pipe
    full = os.open("/dev/full", os.O_WRONLY)
    kept = os.dup(writer)
    console = Console(writer, Redactor())
    os.dup2(full, writer)  # the disk fills up
    for _ in range(3):
        console.write(event("lost"))
    os.dup2(kept, writer)  # and is emptied
    console.write(event("first"))
    console.write(event("second"))
    for fd in (full, kept):
        os.close(fd)
    notice, first, second = map(json.loads, drained(reader).splitlines())

    assert notice["message"] == "3 log lines could not be written: No space left on device"
    assert (notice["level"], notice["count"]) == ("warning", 3)
    assert (notice["service"], notice["instance"]) == ("kie-bot", "host:7")
    assert [first["message"], second["message"]] == ["first", "second"]


def test_a_slow_reader_is_waited_for(pipe):
    """A descriptor that does not block is waited for while its reader drains the pipe: nothing is lost."""
    reader, writer = pipe
    shrink(writer)
    console = Console(writer, Redactor())
    received = bytearray()

    def read():
        while chunk := os.read(reader, 512):
            received.extend(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(200):
        console.write(event(f"{number} " + "x" * 500))
    os.close(writer)
    thread.join()

    assert [int(json.loads(line)["message"].split()[0]) for line in received.splitlines()] == list(range(200))


def test_a_reader_that_stopped_costs_one_wait_and_tears_no_later_line(pipe):
    """When nobody reads, a torn line is ended before the next, and the loss is counted."""
    reader, writer = pipe
    size = shrink(writer)
    console = Console(writer, Redactor())
    torn = console.write(event("x" * 2 * size))  # more than the pipe holds: waits its patience, then gives up
    console.write(event("lost"))
    begun = drained(reader)
    console.write(event("after"))
    empty, notice, after = drained(reader).split(b"\n")[:3]

    assert torn.startswith(begun)
    assert len(begun) == size
    assert empty == b""
    assert json.loads(notice)["count"] == 2
    assert json.loads(after)["message"] == "after"


def test_threads_do_not_mix_their_lines(pipe):
    """Lines of several threads are whole lines."""
    reader, writer = pipe
    console = Console(writer, Redactor())
    received = bytearray()

    def read():
        while chunk := os.read(reader, 65536):
            received.extend(chunk)

    def write(name):
        for _ in range(50):
            console.write(event(name * 5000))

    readers = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in (readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    os.close(writer)
    readers.join()
    messages = [json.loads(line)["message"] for line in received.splitlines()]

    assert sorted(messages) == sorted(name * 5000 for name in "abc" for _ in range(50))


SMALL_PIPE = """
import fcntl, os, select, signal, threading
from logrules.core.event import Event
from logrules.core.model import Severity
from logrules.core.output.readable import Readable
from logrules.core.redact import Redactor
from logrules.sinks.console import Console, LineWriter

def event(message):
    return Event(timestamp="t", level=Severity.INFO, message=message, service="s", instance="i")

reader, writer = os.pipe()
fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
console = Console(writer, Redactor())
"""

FORK = """
threading.Thread(target=lambda: console.write(event("x" * 9000)), daemon=True).start()
select.select([reader], [], [])  # the write has begun, and without a reader it never ends
child = os.fork()
if child == 0:
    os.dup2(1, writer)
    console.write(event("from the child"))
    os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

INTERRUPTED = """
interrupted = threading.Event()

def handler(*_):
    interrupted.set()
    console.write(event("from the handler"))

def read():
    interrupted.wait()
    while data := os.read(reader, 65536):
        os.write(1, data)

thread = threading.Thread(target=read)
thread.start()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
console.write(event("x" * 9000))  # stuck half-way until the alarm
os.close(writer)
thread.join()
"""


@pytest.mark.parametrize(("script", "line"), [(FORK, b"from the child"), (INTERRUPTED, b"from the handler")])
def test_a_write_that_is_stuck_half_way(script, line):
    """A child forked meanwhile finds no lock held, and a signal handler's line stands on its own."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL_PIPE + script], capture_output=True, timeout=60, check=True
    )
    (whole,) = [each for each in done.stdout.split(b"\n") if line in each]

    assert json.loads(whole)["message"] == line.decode()
