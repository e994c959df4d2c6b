"""Files are read in a process of their own: it has none of our secrets, ends with the file, and can be ended.

`python -m bot.worker < FILE` prints one JSON object per line: {"share": 0.4, "so_far": …} …, and last
{"reading": …} or {"refused": …}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from bot.archives import RefusedError
from bot.crew import processors
from bot.reading import Found, Reading, read_file
from logrules.rules import rulebook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Tell = Callable[[float, Reading], None]

PATIENCE = 60.0
"""Seconds for one file, by the clock and of the processor; it cuts itself short before."""
MEMORY = 1 << 30
"""Bytes of address space."""
PIECE = 256 * 1024
NICE = 10
"""How far others go first: while it reads, people are answered."""
STEP = 0.05
"""What share of the file is worth telling."""
_INHERITED = ("PATH", "PYTHONPATH", "HOME", "LANG", "XDG_CACHE_HOME", "VIRTUAL_ENV", "SYSTEMROOT")


async def read(download: Callable[[], Awaitable[bytes | bytearray]], tell: Tell) -> Reading:
    """What a file says, found in another process, which makes itself ready meanwhile. Raises RefusedError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ},
        start_new_session=True,  # what ends us by the terminal lets us say goodbye to it first
    )
    given = None
    try:
        data = await download()
        async with asyncio.timeout(PATIENCE):
            given = asyncio.ensure_future(_give(process, data))
            return await _heard(process, tell)
    except TimeoutError as error:
        raise RefusedError("slow") from error
    finally:
        if given:
            given.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _heard(process: asyncio.subprocess.Process, tell: Tell) -> Reading:
    assert process.stdout is not None
    async for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if "share" in said:
            tell(said["share"], Reading.of_json(said["so_far"]))
        elif "refused" in said:
            raise RefusedError(said["refused"])
        else:
            return Reading.of_json(said["reading"])
    raise RefusedError("slow")  # it has come to a bound of its own


async def _give(process: asyncio.subprocess.Process, data: bytes | bytearray) -> None:
    pipe = process.stdin
    assert pipe is not None
    with contextlib.suppress(OSError):  # it has ended: what it said counts
        for at in range(0, len(data), PIECE):  # a pipe keeps a copy of what it is given
            pipe.write(data[at : at + PIECE])
            await pipe.drain()
        pipe.close()


def main() -> None:
    """The other process."""
    _bounded()
    rulebook().search.prepare()  # while the file is still on its way
    told = 0.0
    known: set[Any] = set()

    def tell(share: float, found: Found) -> None:
        nonlocal told
        if share - told >= STEP or found.findings.keys() - known:
            told = share
            known.update(found.findings)
            _say({"share": share, "so_far": found.reading().as_json()})

    try:
        _say({"reading": read_file(sys.stdin.buffer.read(), tell, processors()).as_json()})
    except RefusedError as error:
        _say({"refused": error.why})
    except EOFError:
        sys.exit("one of the processes was killed")


def _bounded() -> None:
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE)))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
