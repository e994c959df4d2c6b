"""`logrules run -- COMMAND` beside `COMMAND` alone: neither it nor who starts it sees a difference.

What logrules says itself is left out of what is compared: whole lines on standard error, which begin as its
events or with its name.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from pathlib import Path

import pytest

OURS = re.compile(rb'^(?:\{"timestamp":.*\}|logrules: .*)\r?\n', re.MULTILINE)
PATIENCE = 30
"""Seconds after which something that must happen has not happened."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="what a process is, /proc tells")


@pytest.fixture(scope="module")
def environ():
    """An operator's who has said where alerts go, so that nothing need be said about that."""
    ours = ("LOGRULES_", "SENTRY_", "RENDER")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
        "LOGRULES_STATE": ":memory:",
        "LOGRULES_PACKS": "none",
        "LOGRULES_ALERT_WEBHOOK": "http://127.0.0.1:9/",
        "LOGRULES_FLUSH": "0.1",
        "LOGRULES_LANG": "en",
    }


def wrapped(*command, options=(), patch=""):
    """The same command under the wrapper; `patch` is what its interpreter does before."""
    code = f"{patch}\nimport sys; from logrules.cli import main; sys.exit(main(['run', *sys.argv[1:]]))"
    return [sys.executable, "-c", code, *options, "--", *command]


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def sh(code, *arguments):
    return ["sh", "-c", code, "sh", *arguments]


def both(command, environ, **given):
    """What it does alone and what it does wrapped: see `ends`."""
    return ends((command, wrapped(*command)), environ, **given)


def ends(commands, environ, *, before=lambda command: command, **given):
    """What each of some commands does: output, errors without ours, status as a shell has it."""
    started = [
        subprocess.Popen(
            before(each),
            env=environ,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | given,
        )
        for each in commands
    ]
    ended = []
    for process in started:
        out, errors = process.communicate(timeout=PATIENCE)
        status = process.returncode
        ended.append((out, without_ours(errors), status if status >= 0 else 128 - status))
    return ended


def without_ours(errors):
    """What the command itself said; ours begins a line, and ends an unfinished one for that."""
    return OURS.sub(b"", errors).removesuffix(b"\n")


COMMANDS = {
    "bytes that are no text, and no last newline": sh(r"printf 'a\0b\377\376\r\nplain\n\r\n\nlast'; exit 7"),
    "errors that do not end their line": sh("printf out; printf tail >&2; exit 1"),
    "ends at once": ["true"],
    "killed": sh("kill -9 $$"),
    "half-closed": sh("exec >&-; echo late >&2; exit 4"),
    "a pipeline": sh("seq 1 20000 | tail -c 60000; exit 3"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_bytes_and_status_are_its_own(environ, command):
    """Both outputs, byte for byte and apart, and the status: 128 + n after a signal."""
    alone, run = both(command, environ)

    assert run == alone


def test_input_is_its_own(environ, tmp_path):
    """Input is inherited: a file is read from where it stands, and where it stands then is seen outside."""
    (tmp_path / "in").write_bytes(b"first\n\0second\nthird\n")
    ends = []
    for command in (python(READ_ONE), wrapped(*python(READ_ONE))):
        with (tmp_path / "in").open("rb", buffering=0) as file:
            out = subprocess.run(command, stdin=file, env=environ, capture_output=True, check=True).stdout
            ends.append((out, file.tell()))

    assert ends == [(b"b'first\\n\\x00'", 7)] * 2


READ_ONE = "import os; print(os.read(0, 7), end='')"

CIRCUMSTANCES = r"""
rm first 2>/dev/null && exit 1
# Signals 32 and 33 are the C library's own: no program can touch them, and it spawns with both ignored.
grep -E '^(Umask|SigBlk|SigIgn|SigPnd|NoNewPrivs|Cpus_allowed|Seccomp):' /proc/self/status |
  sed -E '/^SigIgn/s/[01][08](.{7})$/00\1/'
tr '\0' '\n' < /proc/$$/environ | grep -vE '^(LISTEN_PID|WATCHDOG_PID|LOGRULES_EVENT_FD)=' | sort
[ "$LISTEN_PID" = $$ ] && [ "$WATCHDOG_PID" = $$ ] && echo "the sockets are meant for it"
for fd in /proc/$$/fd/*; do
  [ "${fd##*/}" = "$LOGRULES_EVENT_FD" ] || echo "${fd##*/} $(readlink $fd | sed 's/\[.*//')"
done
ulimit -a; pwd; cut -d' ' -f5,6 /proc/$$/stat; cut -d' ' -f19 /proc/$$/stat
"""


def _signals(status, line):
    """The signals of a line of /proc/PID/status; whoever runs the tests may ignore some, too."""
    (mask,) = [
        int(words[1], 16)
        for words in map(str.split, status.decode().splitlines())
        if words[:1] == [f"{line}:"]
    ]
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


@linux
@pytest.mark.skipif(not shutil.which("bash"), reason="other shells unblock every signal")
def test_circumstances_are_its_own(environ, tmp_path):
    """Signals ignored and blocked, umask, limits, folder, session, environment, descriptors: as found.

    A bare C locale, to which Python adds a variable; a socket from systemd, with the command's own id. In its
    second life, too, for which it is not forked off: there are threads beside us by then.
    """
    reader, writer = os.pipe()

    def unusual():
        os.umask(0o027)
        os.chdir(tmp_path)
        os.nice(1)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGRTMIN})
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
        os.dup2(reader, 3)

    def activated(command):
        return ["bash", "-c", 'LISTEN_PID=$$ WATCHDOG_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *command]

    bare = {key: value for key, value in environ.items() if key != "LANG" and not key.startswith("LC_")}
    session, command = os.getsid(0), ["bash", "-c", CIRCUMSTANCES]
    bare |= {"EMPTY": "", "PYTHONPATH": str(Path.cwd())}
    given = {"preexec_fn": unusual, "pass_fds": [reader, 3], "process_group": None}
    alone, run = both(command, bare, before=activated, **given)
    (tmp_path / "first").touch()
    restarted = wrapped(*command, options=["--on-fatal", "restart"])
    (again,) = ends([restarted], bare, before=activated, **given)
    os.close(reader)
    os.close(writer)

    assert run == alone
    assert not (tmp_path / "first").exists()
    assert (again[0], again[2]) == (alone[0], alone[2])
    assert _signals(run[0], "SigBlk") >= {signal.SIGUSR2, signal.SIGRTMIN}
    assert _signals(run[0], "SigIgn") & {signal.SIGHUP, signal.SIGINT, signal.SIGPIPE} == {
        signal.SIGHUP,
        signal.SIGINT,
    }
    assert b"the sockets are meant for it" in run[0]
    assert b"3 pipe:" in run[0]
    assert str(session).encode() in run[0]


NOT_STARTED = {
    "no such command": ("no-such-command", None, 127, b"No such file or directory. Is the command right"),
    "no such file": ("./gone", None, 127, b"No such file or directory. Is the command right"),
    "a script that is not executable": ("./bot", (0o644, "#!/bin/sh\n"), 126, b"chmod +x"),
    "a script with nobody to read it": ("./bot", (0o755, "#!/no/such\n"), 127, b"first line (#!)"),
    "neither program nor script": ("./bot", (0o755, "\0"), 126, b"Exec format error"),
    "a folder": ("/", None, 126, b"Permission denied"),
}


@pytest.mark.parametrize("case", NOT_STARTED.values(), ids=NOT_STARTED.keys())
def test_command_that_cannot_be_started(environ, tmp_path, case):
    """127 for what is not there, 126 for what may not be run, as a shell; one line names it and says why."""
    command, file, status, why = case
    if file:
        (tmp_path / command).write_text(file[1])
        (tmp_path / command).chmod(file[0])
    done = subprocess.run(
        wrapped(command), env=environ, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr.count(b"\n") == 1
    assert command.encode() in done.stderr
    assert why in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_is_closed(environ, closed):
    """A stream that was closed is closed for the command too, and takes nothing of ours in its place."""
    tell = "for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && s=$s$n; done; echo x 2>/dev/null; exit 3$s"
    alone, run = both(
        sh(tell), environ, before=lambda command: ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
    )

    assert run == alone


SIGNALS = ("TERM", "HUP", "USR1", "USR2", "QUIT", "INT", "WINCH", "CONT")
LISTENER = f"""
import os, signal, sys
told = []
def tell(number, frame):
    told.append(number)
    os.write(1, b"%d " % number)
    if told.count(signal.SIGTERM) == 2:
        os._exit(5)
for name in {SIGNALS!r}:
    signal.signal(getattr(signal, "SIG" + name), tell)
os.write(1, b"ready ")
while True:
    signal.pause()
"""


def words(stream):
    """The words that come, each as it comes."""
    word = b""
    while data := os.read(stream.fileno(), 1):
        if data.isspace():
            yield word.decode()
            word = b""
        else:
            word += data


def test_every_signal_reaches_it_once(environ):
    """Each is forwarded, in order, a second TERM as well; a forwarded one starts no clock that kills."""
    patch = "from logrules.sidecar import life; life.GRACE = 0.0"
    with subprocess.Popen(
        wrapped(*python(LISTENER), patch=patch), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        said = words(process.stdout)
        assert next(said) == "ready"
        for name in SIGNALS:
            number = getattr(signal, f"SIG{name}")
            process.send_signal(number)
            assert next(said) == str(int(number))
        process.terminate()
        assert [*said] == [str(int(signal.SIGTERM))]
        assert process.wait(PATIENCE) == 5


BEFORE_THE_COMMAND = {
    "us": "fork, me = os.fork, os.getpid(); os.fork = lambda: (os.kill(me, 15), fork())[1]",
    "it": "set_fd, me = signal.set_wakeup_fd, os.getpid(); signal.set_wakeup_fd = lambda fd, **given: "
    "(os.getpid() == me or os.kill(os.getpid(), 15), set_fd(fd, **given))[1]",
}


@pytest.mark.parametrize("patch", BEFORE_THE_COMMAND.values(), ids=BEFORE_THE_COMMAND.keys())
def test_signal_before_there_is_a_command(environ, patch):
    """One that reaches us before it is there is handed on; one that reaches it then is its own alone."""
    command = python("import signal; print('begun', flush=True); signal.pause()")
    done = subprocess.run(
        wrapped(*command, patch=f"import os, signal; {patch}"),
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 128 + signal.SIGTERM
    assert (b"PROCESS_EXITED" in done.stderr) == (patch == BEFORE_THE_COMMAND["it"])  # nobody has told us


def test_signal_while_nobody_reads(environ, tmp_path):
    """A reader that reads no more holds up the command's output, not the word that it is to end."""
    os.mkfifo(tmp_path / "told")
    code = (
        "import os, signal, sys\n"
        "def tell(n, f):\n"
        "    open(sys.argv[1], 'w').write('told')\n"
        "    os._exit(5)\n"
        "signal.signal(15, tell)\n"
        "while True: os.write(1, bytes(65536))"
    )
    with subprocess.Popen(
        wrapped(*python(code, str(tmp_path / "told"))),
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 4096)
        assert process.stdout.read(1) == b"\0"
        process.terminate()
        assert (tmp_path / "told").read_text() == "told"
        process.communicate(timeout=PATIENCE)

    assert process.returncode == 5


def test_our_own_stop_gives_time_and_then_kills(environ):
    """Whoever is told to end by us, and does not, is killed after a while; the status is the code's."""
    code = (
        "import signal, time; signal.signal(15, lambda *_: print('not yet', flush=True))\n"
        "print('❌ Error reacquiring lock: boom', flush=True)\nwhile True: signal.pause()"
    )
    patch = "from logrules.sidecar import life; assert life.GRACE >= 20; life.GRACE = 0.3"
    done = subprocess.run(
        wrapped(*python(code), options=("--stop-on", "LOCK_REACQUIRE_FAILED"), patch=patch),
        env={**environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 75
    assert done.stdout.decode().endswith("not yet\n")


WRITER = """
import os, select, signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.write(1, b"one\\n")
until = select.poll()
until.register(1, 0)  # until nobody reads any more
until.poll(30_000)
os.write(1, b"two")
os.write(2, b"still here")
"""


@linux
def test_reader_that_has_left(environ):
    """The command learns at once that nobody reads any more: what it writes next ends it, by SIGPIPE."""
    ends = []
    for command in (python(WRITER), wrapped(*python(WRITER))):
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"one\n"
            process.stdout.close()
            errors = process.stderr.read()
            status = process.wait(PATIENCE)
        ends.append((without_ours(errors), status if status >= 0 else 128 - status))

    assert ends == [(b"", 128 + signal.SIGPIPE)] * 2


def test_grandchild_keeps_nobody(environ):
    """A process left behind that holds the pipes open: the wrapper ends with the command all the same."""
    code = "sleep 300 & echo $!"
    with subprocess.Popen(
        wrapped(*sh(code)), env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        left = int(process.stdout.readline())
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            os.kill(left, signal.SIGKILL)


@contextmanager
def terminal(command, environ, **streams):
    """A session at a terminal of its own: its keyboard and screen, and the process."""
    keyboard, screen = os.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def sit_down():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        command,
        env=environ,
        preexec_fn=sit_down,  # noqa: PLW1509  a test has no threads
        **{"stdin": screen, "stdout": screen, "stderr": screen} | streams,
    ) as process:
        os.close(screen)
        try:
            yield Person(keyboard, process), process
        finally:
            process.kill()
            os.close(keyboard)


class Person:
    """Who sits there."""

    def __init__(self, fd, process):
        self.fd = fd
        self.process = process
        self.seen = b""

    def types(self, keys):
        os.write(self.fd, keys)

    def sees(self, words):
        """Wait until `words` are there; what was seen up to them, from the last time on."""
        while words not in self.seen and self._waits_for_more():
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:
                pytest.fail(f"the terminal is gone: {self.seen!r}")
        seen, words, self.seen = self.seen.partition(words)
        return seen + words

    def sees_the_end(self):
        """Everything until nobody has the terminal open any more."""
        try:
            while self._waits_for_more():
                self.seen += os.read(self.fd, 4096)
        except OSError:
            pass  # how a terminal ends
        return self.seen

    def _waits_for_more(self):
        assert select.select([self.fd], [], [], PATIENCE)[0], self.seen
        return True


AT_A_TERMINAL = r"""
import os, signal, sys, termios
def modes(fd):
    found = termios.tcgetattr(fd)
    return found[0], found[2:4], found[6][:20] if found else None
print([os.isatty(fd) for fd in (0, 1, 2)], os.get_terminal_size(1), modes(1) == modes(0))
print(open("/dev/tty").isatty(), os.tcgetpgrp(0) == os.getpgrp())
print("ready", flush=True)
sys.stdin.readline()
sys.stderr.write("err \x1b[31mred\x1b[0m\r\ttab\nno end of a line")
"""


def test_terminal_is_as_it_is_alone(environ):
    """Each stream a terminal of the right size and modes; every byte as the terminal shows it."""
    seen = []
    for command in (python(AT_A_TERMINAL), wrapped(*python(AT_A_TERMINAL))):
        with terminal(command, environ) as (person, process):
            shown = person.sees(b"ready\r\n")
            person.types(b"\n")
            seen.append(OURS.sub(b"", shown + person.sees_the_end()))
            assert process.wait(PATIENCE) == 0

    assert seen[1] == seen[0]
    assert b"[True, True, True] os.terminal_size(columns=80, lines=24) True" in seen[0]


ONE_OF_TWO = "import os; os.write(1, repr([os.isatty(fd) for fd in (0, 1, 2)]).encode())"


def test_only_what_is_a_terminal_is_one(environ):
    """Errors in a file beside output at a terminal, and the other way about."""
    reader, writer = os.pipe()
    with terminal(wrapped(*python(ONE_OF_TWO)), environ, stderr=writer) as (person, _):
        person.sees(b"[True, True, False]")
    with terminal(wrapped(*python(ONE_OF_TWO)), environ, stdout=writer) as (_, process):
        assert process.wait(PATIENCE) == 0
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert b"[True, False, True]" in file.read()


CONFLICT = (
    "2026-01-15 08:29:41,511 - telegram.ext.Updater - ERROR - Error while getting Updates: Conflict: "
    "terminated by other getUpdates request; make sure that only one bot instance is running"
)
KEYS = r"""
import os, signal, sys, termios
told = []
signal.signal(signal.SIGINT, lambda *_: told.append("INT"))
signal.signal(signal.SIGQUIT, lambda *_: told.append("QUIT"))
size = os.get_terminal_size
signal.signal(signal.SIGWINCH, lambda *_: print("now", size(1).columns, size(2).lines, flush=True))
print(sys.argv[1])
print("ready", flush=True)
for line in iter(sys.stdin.readline, "raw\n"):
    print("told", told, end=" in one line: ", flush=True)
    print(line.strip(), flush=True)
modes = termios.tcgetattr(1)
modes[3] &= ~(termios.ECHO | termios.ICANON)
termios.tcsetattr(1, termios.TCSANOW, modes)
print("a key?", flush=True)
print("key", os.read(0, 1), flush=True)
"""


TOLD = rb"\d\d:\d\d:\d\d \S+ [A-Z_0-9]+  \w|           \w"
"""How a line of ours begins at a terminal: an event, or what belongs to one."""


def test_keys_size_and_modes(environ):
    """Ctrl-C arrives once, a new size at once; a mode that is set through the output holds, and is undone.

    And in all that an explanation of ours is a line of its own, and text.
    """
    slowly = "import os, time; kill = os.kill; os.kill = lambda *what: (time.sleep(0.1), kill(*what))"
    plain = {**environ, "NO_COLOR": "1"}
    with terminal(wrapped(*python(KEYS, CONFLICT), patch=slowly), plain) as (person, process):
        found = termios.tcgetattr(person.fd)
        first = person.sees(b"ready\r\n")
        person.types(b"\x03")
        person.types(b"\x1c")
        person.types(b"one\n")
        first += person.sees(b"one\r\n") + person.sees(b"in one line: one\r\n")
        fcntl.ioctl(person.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        first += person.sees(b"now 132 50\r\n")
        person.types(b"two\n")
        first += person.sees(b"in one line: two\r\n")
        person.types(b"raw\n")
        first += person.sees(b"a key?\r\n")
        person.types(b"k")
        rest = person.sees_the_end()
        assert process.wait(PATIENCE) == 0
        assert termios.tcgetattr(person.fd) == found

    assert b"told ['INT', 'QUIT'] in one line: two\r\n" in first
    assert b"k\r\n" not in rest.replace(b"key b'k'\r\n", b"")
    said = [line for line in (first + rest).splitlines() if b"CONFLICT_409" in line]
    assert said
    assert [line for line in said if not re.match(TOLD, line)] == []


STOPPED = """
import os, signal, sys
signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"going on\\n"))
def stop(*_):
    os.write(1, b"last word\\n")
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
signal.signal(signal.SIGTSTP, stop)
print("begun", flush=True)
while sys.stdin.readline() != "end\\n":
    print("?", flush=True)
sys.exit(3)
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="needs a shell with jobs")
def test_stop_and_foreground(environ, tmp_path):
    """Ctrl-Z stops the job, after the command's own last word before it; `fg` goes on with it."""
    (tmp_path / "job").write_text(STOPPED)
    line = f"{sys.executable} -m logrules run -- {sys.executable} {tmp_path / 'job'}"
    with terminal(["bash", "--norc", "--noediting", "-i"], {**environ, "PS1": "$ "}) as (person, _):
        person.types(f"stty -echo\n{line}\n".encode())
        person.sees(b"begun\r\n")
        person.types(b"\x1a")
        assert b"last word\r\n" in person.sees(b"Stopped")
        person.types(b"fg\n")
        person.sees(b"going on\r\n")
        person.types(b"x\n")
        person.sees(b"?\r\n")
        person.types(b"end\n")
        person.types(b"echo status $?\n")
        person.sees(b"status 3\r\n")
        person.types(b"exit\n")


INIT = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def _may_be_init():
    unshare = shutil.which("unshare")
    return bool(unshare) and subprocess.run([*INIT, "true"], capture_output=True, check=False).returncode == 0


AS_INIT = """
import os, signal, subprocess, sys, time
told = []
signal.signal(15, lambda n, f: told.append(n))
# Twice forked: grandchildren whose parents are gone, which end at once.
subprocess.run(["sh", "-c", "for n in 1 2 3 4 5; do (sh -c 'exit 7' &) ; done"])
while any(open(f"/proc/{pid}/stat").read().split()[3] == "1" for pid in os.listdir("/proc")
          if pid.isdigit() and int(pid) not in (1, os.getpid()) and os.path.exists(f"/proc/{pid}/stat")):
    time.sleep(0.01)
print("nobody is left", os.getppid(), flush=True)
while not told:
    signal.pause()
sys.exit(5)
"""


@pytest.mark.skipif(not _may_be_init(), reason="no PID namespace is allowed here")
def test_as_process_1(environ):
    """In a container: what others leave behind is reaped, TERM works, and the status is the command's."""
    with subprocess.Popen(
        [*INIT, *wrapped(*python(AS_INIT))], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as outer:
        try:
            assert outer.stdout.readline() == b"nobody is left 1\n"
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
            os.kill(int(children), signal.SIGTERM)
            assert outer.wait(PATIENCE) == 5
        finally:
            outer.kill()


@pytest.mark.skipif(not shutil.which("npm"), reason="needs npm, which comes with Node.js")
def test_npm_start(environ, tmp_path):
    """A bot that npm starts through a shell is told to end, ends its own way, and npm's status is ours."""
    package = {"name": "b", "scripts": {"start": "exec node bot.js"}}  # without exec it would outlive npm
    (tmp_path / "package.json").write_text(json.dumps(package))
    (tmp_path / "bot.js").write_text(
        "process.on('SIGTERM', () => { console.log('bye'); process.exit(5) });"
        "console.log('polling', process.stdout.isTTY); setInterval(() => {}, 1000)"
    )
    quiet = {**environ, "npm_config_update_notifier": "false", "npm_config_cache": str(tmp_path)}
    with subprocess.Popen(
        wrapped("npm", "start"), env=quiet, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while process.stdout.readline() != b"polling undefined\n":
            pass
        process.terminate()
        out, _ = process.communicate(timeout=PATIENCE)

    assert (out, process.returncode) == (b"bye\n", 5)


HEAVY = {
    "asyncio",
    "dataclasses",
    "inspect",
    "msgspec",
    "pathlib",
    "socket",
    "sqlite3",
    "subprocess",
    "tomllib",
}
"""What takes a good part of a bare interpreter's start, or more than all of it."""


def test_little_is_imported_before_the_command(environ):
    """What the command waits for: nothing that it need not."""
    patch = "import os, sys\nos.fork = lambda: (print(*sys.modules), sys.stdout.flush(), os._exit(0))"
    done = subprocess.run(
        wrapped("true", patch=patch),
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    assert HEAVY & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("when", "status"), [("argparse", 130), ("logrules.settings", 130), ("the end", -signal.SIGINT)]
)
def test_ctrl_c_before_or_after_all_is_no_traceback(environ, when, status):
    """Whatever is being imported, parsed or taken apart: it ends the program, and nothing is said of it."""
    code = f"""
import atexit, os, signal, sys

class Keys:
    def find_spec(self, name, *_):
        if name == {when!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Keys())
if {when == "the end"}:
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
from logrules.__main__ import main
sys.exit(main())
"""
    command = [sys.executable, "-c", code, "run", "--once", "--", "true"]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=PATIENCE, check=False)

    assert (done.returncode, done.stdout, without_ours(done.stderr)) == (status, b"", b"")
