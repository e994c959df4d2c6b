"""What a new process does before it becomes the command, so that this starts as it would alone.

It is forked off where there is one thread only. Else a fork would copy the locks of others without those who
open them; then an interpreter with this file alone, which the system spawns, does the same in its place.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

TYPE_CHECKING = False  # what `typing` would say, without reading it
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

PR_SET_PDEATHSIG = 1
NAMES_US = ("LISTEN_PID", "WATCHDOG_PID")
"""What systemd tells one process by its id: https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html."""
COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
"""What Python puts into LC_CTYPE."""
NONE = -1


class Plan:
    """What is to be done.

    Args:
        at_our_end: What the kernel sends it when its parent is gone, however that went; Linux only.
        mask: The signals that are blocked in it; until then all are.
        defaults: The signals that do there what they do by default, whatever Python has made of them.
        ignored: Those that it ignores.
        leads: Whether it leads a process group of its own.
        line: The descriptor by which a guardian is told of that group (see `logrules.guards.guardian`).
        terminal: The terminal of which that group becomes the foreground.
    """

    def __init__(
        self,
        at_our_end: int,
        mask: Iterable[int] = (),
        defaults: Iterable[int] = (),
        ignored: Iterable[int] = (),
        *,
        leads: bool = False,
        line: int = NONE,
        terminal: int = NONE,
    ) -> None:
        self.at_our_end = at_our_end
        self.mask = [*mask]
        self.defaults, self.ignored = [*defaults], [*ignored]
        self.leads, self.line, self.terminal = leads, line, terminal

    def told(self) -> str:
        """All of it in one word."""
        groups = (self.mask, self.defaults, self.ignored)
        numbers = (self.at_our_end, int(self.leads), self.line, self.terminal)
        return "/".join(",".join(str(int(each)) for each in group) for group in (*groups, numbers))

    @classmethod
    def heard(cls, told: str) -> Plan:
        """What `told` has told."""
        groups = [[int(each) for each in group.split(",") if each] for group in told.split("/")]
        mask, defaults, ignored, (at_our_end, leads, line, terminal) = groups
        return cls(at_our_end, mask, defaults, ignored, leads=bool(leads), line=line, terminal=terminal)


def become(
    command: Sequence[str], environ: Mapping[str, str], plan: Plan, parent: int, failure: int
) -> NoReturn:
    """Become the command, or say to `failure` by what number that failed; all signals are blocked."""
    try:
        _lead(plan)
        for number in plan.defaults:
            signal.signal(number, signal.SIG_DFL)
        for number in plan.ignored:
            signal.signal(number, signal.SIG_IGN)
        environ = _renamed(environ, str(parent))
        _end_with(parent, plan.at_our_end)
        signal.pthread_sigmask(signal.SIG_SETMASK, plan.mask)
        os.execvpe(command[0], [*command], environ)  # noqa: S606  that is our job
    except OSError as error:
        os.write(failure, str(error.errno or errno.EINVAL).encode())
    except BaseException:  # noqa: BLE001  whatever it is, this process is not to go on as a second one of us
        os.write(failure, str(errno.EINVAL).encode())
    finally:
        os._exit(127)


def _lead(plan: Plan) -> None:
    """Lead a group of its own, guarded, and at the terminal."""
    if not plan.leads:
        return
    os.setpgid(0, 0)
    if plan.line != NONE:
        os.write(plan.line, f"group {os.getpid()}\n".encode())
    if plan.terminal != NONE:
        try:
            os.tcsetpgrp(plan.terminal, os.getpgrp())
        except OSError:
            pass  # hung up


def _renamed(environ: Mapping[str, str], ours: str) -> dict[str, str]:
    """What names us by our process id is meant for the command."""
    renamed = dict(environ)
    for name in NAMES_US:
        if renamed.get(name) == ours:
            renamed[name] = str(os.getpid())
            renamed.pop("LISTEN_PIDFDID", None)  # the same, said once more
    return renamed


def _end_with(parent: int, number: int) -> None:
    """Make the kernel send this signal when we are gone, however we went; Linux only.

    A bot that polls on unwatched, beside the one that the platform starts next, is the fight that we prevent.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # too late to be told: it has happened


def inherited() -> dict[str, str]:
    """The environment that we were given. To a C locale Python adds its own LC_CTYPE: PEP 538."""
    found = dict(os.environ)
    if found.get("LC_CTYPE") in COERCED:
        try:
            fd = os.open("/proc/self/environ", os.O_RDONLY)
        except OSError:  # only Linux shows what a process began with
            return found
        began = dict(each.split(b"=", 1) for each in whole(fd).split(b"\0") if b"=" in each)
        os.close(fd)
        found.pop("LC_CTYPE")
        if b"LC_CTYPE" in began:
            found["LC_CTYPE"] = os.fsdecode(began[b"LC_CTYPE"])
    return found


def whole(fd: int) -> bytes:
    """All that there is to read, to its end."""
    data = b""
    while part := os.read(fd, 65536):
        data += part
    return data


def main(parent: str, failure: str, told: str, *command: str) -> NoReturn:
    """In an interpreter of its own. What it was handed for itself, the command does not get."""
    plan = Plan.heard(told)
    for fd in (int(failure), plan.line, plan.terminal):
        if fd != NONE:
            os.set_inheritable(fd, False)  # noqa: FBT003  its only argument
    become(command, inherited(), plan, int(parent), int(failure))


if __name__ == "__main__":
    main(*sys.argv[1:])
