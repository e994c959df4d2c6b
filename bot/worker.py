"""Files are read in a process of their own: it has none of our secrets, ends with the file, and can be ended.

`python -m bot.worker < FILE` prints one JSON object per line: {"share": 0.4} …, and last {"reading": …} or
{"refused": …}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from bot.archives import RefusedError
from bot.reading import Reading, read_file

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0
"""Seconds for one file, by the clock and of the processor; it cuts itself short before."""
MEMORY = 1 << 30
"""Bytes of address space."""
PIECE = 256 * 1024
STEP = 0.05
"""What share of the file is worth telling."""
_INHERITED = ("PATH", "PYTHONPATH", "HOME", "LANG", "XDG_CACHE_HOME", "VIRTUAL_ENV", "SYSTEMROOT")


async def read(data: bytes | bytearray, tell: Callable[[float], None]) -> Reading:
    """What a file says, found in another process. Raises RefusedError."""
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
    assert process.stdin is not None
    assert process.stdout is not None
    given = asyncio.ensure_future(_give(process.stdin, data))
    try:
        async with asyncio.timeout(PATIENCE):
            async for line in process.stdout:
                said: dict[str, Any] = json.loads(line)
                if "share" in said:
                    tell(said["share"])
                elif "refused" in said:
                    raise RefusedError(said["refused"])
                else:
                    return Reading.of_json(said["reading"])
    except TimeoutError as error:
        raise RefusedError("slow") from error
    finally:
        given.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    raise RefusedError("slow")  # it has come to a bound of its own


async def _give(pipe: asyncio.StreamWriter, data: bytes | bytearray) -> None:
    with contextlib.suppress(OSError):  # it has ended: what it said counts
        for at in range(0, len(data), PIECE):  # a pipe keeps a copy of what it is given
            pipe.write(data[at : at + PIECE])
            await pipe.drain()
        pipe.close()


def main() -> None:
    """The other process."""
    _bounded()
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        if share - told >= STEP:
            told = share
            _say({"share": share})

    try:
        _say({"reading": read_file(sys.stdin.buffer.read(), tell).as_json()})
    except RefusedError as error:
        _say({"refused": error.why})


def _bounded() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE)))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
