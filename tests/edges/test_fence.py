"""The fence, in processes of their own: what the kernel ends, and when. Nothing here trusts the process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from logrules.guards.fence import KernelFence
from logrules.guards.keeper import CLOCK, steady

HOLDER = """
import os, signal, sys, time
from logrules.guards.fence import KernelFence
from logrules.guards.keeper import CLOCK, steady

fence = KernelFence(CLOCK)
seconds, does = float(sys.argv[1]), sys.argv[2]
log = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
fence.extend(steady() + seconds)
print(os.getpid(), flush=True)
if does == "alarm":  # what a bot's own code may do to other timers
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 60)
    signal.alarm(1000)
    signal.alarm(0)
if does == "masks":
    signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 32)))
if does == "prolongs":
    until = steady() + 3 * seconds
    while steady() < until:
        fence.extend(steady() + seconds)
        time.sleep(seconds / 20)
    fence.disarm()
    fence.extend(steady() + 60)
    fence.disarm()
    print("alive", flush=True)
    sys.exit(0)
while True:
    os.write(log, b".")
    sum(range(1000)) if does == "spins" else time.sleep(0.01)
"""
INIT = ["unshare", "--pid", "--fork", "--kill-child"]


def _may_be_init():
    unshare = shutil.which("unshare")
    return bool(unshare) and subprocess.run([*INIT, "true"], capture_output=True, check=False).returncode == 0


needs_init = pytest.mark.skipif(not _may_be_init(), reason="no PID namespace is allowed here")


@contextmanager
def holder(seconds, does="polls", prefix=(), log=os.devnull):
    """A process with its fence up: its own idea of its pid, and how to talk to it."""
    command = [*prefix, sys.executable, "-c", HOLDER, str(seconds), does, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(process.stdout.readline() or 0)
        finally:
            process.kill()


@pytest.mark.parametrize("does", ["polls", "alarm", "masks", "spins"])
def test_holder_that_proves_nothing_is_killed(does):
    """At its deadline the process is gone, whatever it does with its signals, its timers or its time."""
    with holder(0.3, does) as (process, _):
        assert process.wait(20) == -signal.SIGKILL


def test_holder_that_proves_lives():
    """Each proof puts the end off, and a fence that is taken down ends nothing."""
    with holder(0.5, "prolongs") as (process, _):
        said = process.stdout.read()

        assert process.wait(20) == 0
        assert said == "alive\n"


def test_stopped_holder_dies_while_it_is_stopped():
    """Nobody has to continue it: it dies where it stands."""
    with holder(1.0) as (process, pid):
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)

        assert process.wait(20) == -signal.SIGKILL


def test_deadline_in_the_past_ends_it_at_once():
    """A holder that reads an old proof has no time left at all."""
    with holder(-1.0) as (process, _):
        assert process.wait(20) == -signal.SIGKILL


def _child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


@needs_init
def test_process_one_is_ended_as_well():
    """In a container's place, where SIGKILL of its own means nothing, it ends by itself all the same."""
    with holder(0.3, "alarm", INIT) as (process, pid):
        assert pid == 1
        assert process.wait(20) in range(signal.SIGRTMIN, signal.SIGRTMAX + 1)


def _field(pid, name):
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@needs_init
def test_process_one_that_goes_on_after_a_stop_sends_nothing(tmp_path):
    """Continued after its deadline, process 1 ends before it runs a single line: 0 polls in 20 tries."""
    polls = []
    for number in range(20):
        log = tmp_path / str(number)
        with holder(0.2, "polls", INIT, log) as (process, _):
            inside = _child_of(process.pid)
            os.kill(inside, signal.SIGSTOP)
            patience = steady() + 20
            while _field(inside, "State") != "T" or not int(_field(inside, "ShdPnd"), 16) >> signal.SIGRTMIN:
                assert steady() < patience, "it is to be stopped, and its deadline to come"
            before = log.stat().st_size
            os.kill(inside, signal.SIGCONT)
            assert process.wait(20) in range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
            polls.append(log.stat().st_size - before)

    assert polls == [0] * 20


LIMITED = """
import resource
from logrules.guards.fence import KernelFence
from logrules.guards.keeper import CLOCK

resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
try:
    KernelFence(CLOCK)
except OSError as error:
    print(error.strerror)
"""


def test_kernel_that_refuses_says_why():
    """Where the kernel gives no timer there is an error with its reason, and no fence that is none."""
    said = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False).stdout

    assert said == "Resource temporarily unavailable\n"


def test_fence_does_not_follow_a_fork():
    """A child made by fork has no timer, and is told so instead of living without one."""
    fence = KernelFence(CLOCK)
    child = os.fork()
    if child == 0:
        try:
            fence.extend(steady() + 60)
        except OSError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 7
