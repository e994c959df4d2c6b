"""A child process and what it prints: its bytes pass through untouched, and become chunks.

It is started as it would be alone: signals, mask, descriptors and environment as we found them, a terminal
where ours is one. Alone it differs from a plain fork and exec in three things: its output, its errors and its
events come to us.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol

from logrules import become
from logrules.become import Plan, whole
from logrules.core.model import EVENTS, Chunk, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

READ = 262_144
"""Bytes asked of a pipe at once, which may hold as many: fewer turns for a command that prints fast."""
EVENT_FD = "LOGRULES_EVENT_FD"
OUT_OF_THE_WAY = 100
"""The event descriptor's number is at least that: a shell script calls those up to 9 its own."""
TASKS = "/proc/self/task"
JOB_CONTROL = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})


class StartError(OSError):
    """The command cannot be started: why, and what to look at."""

    def __init__(self, command: str, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.command = command

    @property
    def status(self) -> int:
        """What a shell ends with then."""
        return 127 if self.errno == errno.ENOENT else 126

    def __str__(self) -> str:
        return f"cannot start {self.command!r}: {self.strerror}. {self._hint()}"

    def _hint(self) -> str:
        match self.errno:
            case errno.ENOENT if "/" in self.command and os.access(self.command, os.X_OK):
                return "The file is there, but not the interpreter that its first line (#!) names"
            case errno.ENOEXEC:
                return "A program for another machine? A script needs a first line such as #!/bin/sh"
            case errno.EACCES:
                return "A command is a file that may be executed: chmod +x makes it one"
        return "Is the command right, and in PATH?"


class Terminal(Protocol):
    """A pseudo-terminal that stands in for one of ours."""

    ours: int
    theirs: int

    def resize(self) -> None:
        """Make it as large as the one it stands in for."""

    def follow(self) -> None:
        """Do to the one it stands in for what the command has done to it."""

    def close(self) -> None:
        """Let go of our end."""


class Outlet(Protocol):
    """What becomes of bytes on their way out."""

    @property
    def deadline(self) -> float | None:
        """When `release` is due, in seconds since the epoch."""

    def feed(self, data: bytes, now: float) -> bytes:
        """What may go out now that `data` has come."""

    def release(self, now: float) -> bytes:
        """What may wait no longer."""

    def end(self, now: float) -> bytes:
        """The last of it."""


class Stream:
    """One stream of the child: bytes are passed on at once, as they are, unless it has an outlet."""

    def __init__(
        self, origin: Origin, source: int, target: int | None, terminal: Terminal | None = None
    ) -> None:
        self.origin = origin
        self.source = source
        self.target = target
        self.is_open = True
        self.mid_line = False
        """The last byte passed on did not end a line: nobody else may write to the target now."""
        self.trouble: str | None = None
        """Why the target took nothing the last time."""
        self.outlet: Outlet | None = None
        self._terminal = terminal

    @property
    def tells_of_its_reader(self) -> bool:
        """Whether waiting for the target tells when its last reader leaves: for a pipe that has no name."""
        try:
            named = os.readlink(f"/proc/self/fd/{self.target}")  # noqa: PTH115  pathlib would be read for it
        except OSError:  # only Linux says so
            return False
        return named.startswith("pipe:")

    def read(self, now: float) -> tuple[Chunk, bool]:
        """What there was to read, passed on already, and whether the stream goes on."""
        data = self._read()
        if self._terminal is not None:
            self._terminal.follow()
        out = self.outlet.feed(data, now) if self.outlet and data else data
        return Chunk(self.origin, data, now), bool(data) and self._pass_on(out)

    def release(self, now: float, *, at_end: bool = False) -> None:
        """Pass on what has waited in the outlet for long enough, or all of it."""
        if self.outlet is None:
            return
        if at_end:
            self._pass_on(self.outlet.end(now))
        elif self.outlet.deadline is not None and self.outlet.deadline <= now:
            self._pass_on(self.outlet.release(now))

    def shares(self, fd: int) -> bool:
        """Whether what is written to `fd` comes out in the same place as this."""
        if self.target is None:
            return False
        try:
            return self.target == fd or os.path.sameopenfile(self.target, fd)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the pipe: a child that still writes gets SIGPIPE, as from any reader that left."""
        self.is_open = False
        if self._terminal is not None:
            self._terminal.close()
        else:
            os.close(self.source)

    def _read(self) -> bytes:
        try:
            return os.read(self.source, READ)
        except OSError as error:
            if error.errno != errno.EIO:  # which is how a pseudo-terminal ends
                raise
            return b""

    def _pass_on(self, data: bytes) -> bool:
        if self.target is None or not data:
            return True
        self.mid_line = not data.endswith(b"\n")
        try:
            write_all(self.target, data)
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.EIO}:  # EIO: the terminal has been hung up
                self.mid_line = False
                return False  # nobody reads us any more: the child must learn it the way it would without us
            self.trouble = error.strerror or str(error)  # a full disk may have room again
        return True


def _wide_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    try:
        if sys.platform == "linux":
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, READ)
    except OSError:
        pass  # its owner has used up what he may: it stays as it is
    return reader, writer


def write_all(fd: int, data: bytes) -> None:
    """Write everything, also where another process has made the descriptor non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


class Child:
    """The command, started: its output, its errors, its events, and an exit status.

    Started on the main thread: when the thread that started it ends, the kernel takes it for our end.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        service: str,
        instance: str,
        plan: Plan,
        *,
        terminals: Mapping[int, Terminal] | None = None,
    ) -> None:
        """Start `command`. Raises StartError where it cannot be started.

        Args:
            command: Its words; the first one is looked for in PATH.
            environ: Its environment, but for what we add.
            service: What its chunks are of.
            instance: What its chunks are of.
            plan: What to do in the new process before it becomes the command.
            terminals: What stands in for those of our streams that are terminals, by descriptor.
        """
        self._terminals = terminals or {}
        self._status: int | None = None
        self.on_continue: Callable[[], None] = lambda: None
        """What else to do when it is to go on after a stop."""
        self.has_keys = False
        """Whether a terminal's keys reach it and not us: nobody tells us then that Ctrl-C has ended it."""
        self.stopped: int | None = None
        """The signal that has stopped it; None while it goes on."""
        ends = {fd: self._ends(fd) for fd in (1, 2) if _is_open(fd)}
        events, events_end = os.pipe()
        away = _out_of_the_way(events_end)
        given = {fd: theirs for fd, (_, theirs) in ends.items()}
        ready = _Start(command, {**environ, EVENT_FD: str(away)}, {**given, away: away}, plan)
        try:
            self.pid = ready.go()
        except BaseException:
            _close(events, *(ours for ours, _ in ends.values()))
            raise
        finally:
            _close(away, *given.values())
        self.streams = [
            Stream(Origin(service, instance, name), ends[fd][0], fd, self._terminals.get(fd))
            for fd, name in ((1, "stdout"), (2, "stderr"))
            if fd in ends
        ]
        self.streams.append(Stream(Origin(service, instance, EVENTS), events, None))

    def _ends(self, fd: int) -> tuple[int, int]:
        """Our end and the child's of what is to be its `fd`."""
        terminal = self._terminals.get(fd)
        return (terminal.ours, terminal.theirs) if terminal else _wide_pipe()

    def signal(self, number: int) -> None:
        """Send it a signal; one that comes after its end does nothing. A signal handler may call it."""
        if number in {signal.SIGWINCH, signal.SIGCONT}:
            for terminal in self._terminals.values():
                terminal.resize()
        if number == signal.SIGCONT:
            self.on_continue()
        if self._status is None:
            try:
                os.kill(self.pid, number)
            except (ProcessLookupError, PermissionError):  # another user's by now: it knows how to end
                pass

    def kill(self) -> None:
        """End it without asking."""
        self.signal(signal.SIGKILL)

    def reap_orphans(self) -> None:
        """As process 1, take in what the child's own children left: else they stay zombies for ever."""
        while os.getpid() == 1:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            # The command itself stays for status(): whoever waits for it first gets its status, nobody else.
            if ended is None or ended.si_pid == self.pid:
                return
            os.waitpid(ended.si_pid, 0)

    def status(self) -> int | None:
        """Its exit status as a shell would give it (128 + n after signal n), or None while it lives."""
        while self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:  # SIGCHLD was ignored all the same: its status is nobody's
                self._status = 0
                break
            if pid == 0:
                break
            if os.WIFSTOPPED(status):
                self.stopped = os.WSTOPSIG(status)
            elif os.WIFCONTINUED(status):
                self.stopped = None
            else:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
        return self._status


class _Start:
    """A new process and an exec, with no signal lost or taken twice between them."""

    def __init__(
        self, command: Sequence[str], environ: dict[str, str], descriptors: Mapping[int, int], plan: Plan
    ) -> None:
        self._command = [*command]
        self._environ = environ
        self._descriptors = descriptors
        self._plan = plan

    def go(self) -> int:
        """The new process's id, once it has become the command. Raises StartError where it cannot."""
        failed, failure = os.pipe()
        # Until it is the command, a signal waits: our handlers in it would take it for ours.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._plan.mask = [*mask]
            pid = self._begin(failure)
            os.close(failure)
            failure = -1
            number = whole(failed)
        finally:
            _close(failed, *([failure] if failure >= 0 else []))
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if number:
            os.waitpid(pid, 0)
            raise StartError(self._command[0], int(number))
        return pid

    def _begin(self, failure: int) -> int:
        """Fork, which costs next to nothing; but where there are threads, spawn."""
        ours = os.getpid()
        try:
            if _has_threads():
                return self._spawn(ours, failure)
            pid = os.fork()
        except OSError as error:  # a limit on processes
            raise StartError(self._command[0], error.errno or errno.EAGAIN) from error
        if pid == 0:
            self._go_on(ours, failure)
        return pid

    def _spawn(self, ours: int, failure: int) -> int:
        """By way of an interpreter that has no threads."""
        plan = self._plan
        kept = {fd: fd for fd in (failure, plan.line, plan.terminal) if fd != become.NONE}
        ends = {**self._descriptors, **kept}
        alone = [sys.executable, "-I", "-S", become.__file__]
        return os.posix_spawn(
            sys.executable,
            [*alone, str(ours), str(failure), plan.told(), *self._command],
            self._environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, end, fd) for fd, end in ends.items()],
        )

    def _go_on(self, ours: int, failure: int) -> NoReturn:
        """In the forked process."""
        try:
            signal.set_wakeup_fd(-1)
            for fd, end in self._descriptors.items():
                if fd == end:
                    os.set_inheritable(fd, True)  # noqa: FBT003  its only argument
                else:
                    os.dup2(end, fd)
            become.become(self._command, self._environ, self._plan, ours, failure)
        finally:
            os._exit(127)


def _has_threads() -> bool:
    """Whether this process has threads that a fork would leave behind; only Linux says so."""
    try:
        return len(os.listdir(TASKS)) > 1 and bool(sys.executable)  # noqa: PTH208  pathlib would be read for it
    except OSError:
        return False


def _is_open(fd: int) -> bool:
    """Whether it was open: what `ensure_standard` has put into a closed one's place is not inherited."""
    return os.get_inheritable(fd)


def _out_of_the_way(fd: int) -> int:
    """The same descriptor by a number that no script has a use for, where there is one."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
    except OSError:  # a limit on open files forbids it
        return fd
    os.close(fd)
    return moved


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
