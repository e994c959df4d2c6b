"""Processes that begin warm: forked off one that has imported already what each of them would import.

Half a second of processor time goes into the start of a command of ours, and less than a tenth into what a
test asks of it. What begins here is a process of its own all the same, and its parent is the test: it has
its own pid, descriptors, environment, working directory, arguments and end. Python's own start is left out,
and with it whatever a variable such as PYTHONIOENCODING changes there: `subprocess.Popen` has both, and each
command and each kind of bot is started by that somewhere, too. COLD=1 starts all of them so.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib.util
import io
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
import types
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS = (
    *("logrules.cli", "logrules.scanning.scan", "logrules.page", "rich.console", "rich.table"),
    *("logrules.commands.explain", "logrules.commands.check", "logrules.commands.newrule"),
    *("logrules.commands.export", "logrules.commands.oncall", "logrules.commands.status"),
    *("logrules.doctor", "logrules.doctor.examination"),
    *("logrules.sidecar.run", "logrules.sidecar.lives", "logrules.sidecar.standby", "logrules.alerts"),
    *("logrules.stores.sqlite.store", "logrules.stores.postgres", "logrules.sinks.sentry"),
)
"""What commands import."""
BOTS = ("telegram.ext", "logrules.polling.guarded", "logrules.guards.ptb", "logrules.sinks.health")
"""What guarded bots import; no Sentry SDK, which is looked for among what is imported."""
_IS_COLD = sys.platform != "linux" or "COLD" in os.environ
_FAR = 512
"""Descriptors from here on are nobody's while others are put in their places."""
_LARGEST = 200_000
_NO_LANGUAGE = {"C", "POSIX", "C.UTF-8", "C.utf8", "UTF-8"}
"""Locales in which Python passes bytes through that are no text: https://peps.python.org/pep-0538/."""
_PR_SET_CHILD_SUBREAPER = 36
"""https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html"""


class Process(subprocess.Popen[Any]):
    """`subprocess.Popen` of Python with a script or `-m PACKAGE`, begun warm."""

    def __init__(
        self, arguments: Sequence[str | Path], *, modules: tuple[str, ...] = COMMANDS, **how: Any
    ) -> None:
        self._modules = modules
        super().__init__(list(map(str, arguments)), **how)

    def _execute_child(self, args: list[str], *how: Any) -> None:
        if _IS_COLD:
            super()._execute_child(args, *how)  # type: ignore[misc]  # a method that typeshed does not tell of
            return
        assert args[0] == sys.executable, "only Python begins warm"
        assert (how[1], how[20]) == (None, False), "nobody asks for a session, or for code of his own between"
        pass_fds, cwd, env = how[3:6]
        pipes = how[9:15]
        fds = {0: pipes[0], 1: pipes[3], 2: pipes[5]}
        fds = {target: target if fd == -1 else fd for target, fd in fds.items()} | {fd: fd for fd in pass_fds}
        asked = {
            "arguments": args[1:],
            "cwd": os.fspath(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        try:
            self.pid = _source(self._modules).begin(asked, fds)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # likewise


def begun(command: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
    """A command of ours, warm unless it is code that changes what has been imported by then."""
    if command[0] != sys.executable or command[1] == "-c":
        return subprocess.Popen(command, **how)
    return Process(command, modules=COMMANDS if command[1] == "-m" else BOTS, **how)


def run(arguments: Sequence[str], *, data: str | bytes = b"", **how: Any) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` that begins warm, with pipes at its standard streams and UTF-8 in them."""
    done = told(arguments, data.encode() if isinstance(data, str) else data, **how)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def told(arguments: Sequence[str], data: bytes = b"", **how: Any) -> subprocess.CompletedProcess[bytes]:
    """The same in bytes."""
    pipe = subprocess.PIPE
    with Process(arguments, stdin=pipe, stdout=pipe, stderr=pipe, **how) as process:
        try:
            out, err = process.communicate(data, 60)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def at_terminal(arguments: Sequence[str], *, columns: int = 80, **how: Any) -> str:
    """What a command prints to a terminal of so many columns; it must succeed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with Process(arguments, stdout=slave, **how) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO where the other side is closed
            while data := os.read(master, 65536):
                shown += data
        os.close(master)
        assert process.wait(60) == 0
    return shown.decode()


@cache
def _source(modules: tuple[str, ...]) -> _Source:
    return _Source(modules)


class _Source:
    """The process that others are forked off. It ends with us, whose end of its socket is closed then."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        command = [sys.executable, "-P", __file__, str(theirs.fileno()), *modules]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()

    def begin(self, asked: dict[str, Any], fds: dict[int, int]) -> int:
        """The pid of a process that does what is asked, a child of ours."""
        message = json.dumps({**asked, "fds": list(fds)}).encode()
        assert len(message) < _LARGEST, "so much fits in no message: use subprocess.Popen"
        with self._lock, _adopting():
            socket.send_fds(self._ours, [message], list(fds.values()))
            return int(self._ours.recv(64))


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Children of a child that ends meanwhile become ours."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _serve(control: socket.socket) -> dict[str, Any]:
    """Fork as often as somebody asks; in the child: what it is asked for."""
    while True:
        message, fds, _, _ = socket.recv_fds(control, _LARGEST, 64)
        if not message:
            os._exit(0)
        asked: dict[str, Any] = json.loads(message)
        told, tells = os.pipe()
        begins, begin = os.pipe()
        between = os.fork()
        if not between:
            child = os.fork()
            if child:
                os.write(tells, str(child).encode())
                os._exit(0)
            os.read(begins, 1)
            control.close()
            _settle(asked, dict(zip(asked["fds"], fds, strict=True)))
            return asked
        os.waitpid(between, 0)  # its child has its parent now
        os.write(begin, b"!")
        control.send(os.read(told, 64))
        for fd in (told, tells, begins, begin, *fds):
            os.close(fd)


def _settle(asked: dict[str, Any], fds: dict[int, int]) -> None:
    """Descriptors, folder, environment and warnings as a process of its own would have them."""
    far = {target: fcntl.fcntl(fd, fcntl.F_DUPFD, _FAR) for target, fd in fds.items()}
    os.closerange(3, _FAR)
    for target, fd in far.items():
        os.dup2(fd, target)
        os.close(fd)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    if os.environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "C"
    errors = "surrogateescape" if spoken in _NO_LANGUAGE else "strict"
    for name, stream in {
        "stdin": _stream(0, "r", errors),
        "stdout": _stream(1, "w", errors),
        "stderr": _stream(2, "w", "backslashreplace"),
    }.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(fd: int, mode: str, errors: str) -> io.TextIOWrapper:
    binary = open(fd, f"{mode}b", closefd=False)  # noqa: SIM115  for good
    return io.TextIOWrapper(binary, "utf-8", errors, line_buffering=fd == 2 or os.isatty(fd))


def _program(arguments: list[str]) -> types.CodeType:
    """What Python runs for these arguments, after `sys` says so."""
    if arguments[0] == "-m":
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  a plain string
        spec = importlib.util.find_spec(arguments[1])
        if spec and spec.submodule_search_locations:
            spec = importlib.util.find_spec(f"{arguments[1]}.__main__")
        assert spec
        assert spec.origin
        path, sys.argv = spec.origin, [spec.origin, *arguments[2:]]
    else:
        path, sys.argv = arguments[0], arguments
        sys.path.insert(0, str(Path(path).parent))
    return compile(Path(path).read_bytes(), path, "exec")


def _warmed(modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    if "logrules.scanning.scan" in modules:
        from logrules.core.engine import classify
        from logrules.rules import rules

        classify(
            rules.rulebook, "2026-01-15 08:29:41,511 - bot - ERROR - Conflict: terminated by other getUpdates"
        )
    assert threading.active_count() == 1, "who has threads cannot be forked"
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _warmed(sys.argv[2:])
    with socket.socket(fileno=int(sys.argv[1])) as _control:
        _asked = _serve(_control)
    _main = types.ModuleType("__main__")
    sys.modules["__main__"] = _main
    exec(_program(_asked["arguments"]), _main.__dict__)
