"""Bots as others see them: what they say, line by line, and how they end; and who is in their way."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logrules.testing import BotApiServer

PATIENCE = 60.0
"""Seconds after which something that must happen has not happened."""
Begin = Callable[..., "subprocess.Popen[str]"]
"""How a process begins: `subprocess.Popen`, or like it."""


class Bot:
    """One bot process and what it has said; each event with the time of its reading."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: dict[str, str],
        begin: Begin = subprocess.Popen,
        fds: tuple[int, ...] = (),
    ) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.said = ""
        self._news = threading.Condition()
        pipe = subprocess.PIPE
        self.process = begin(
            command, env=environ, stdout=pipe, stderr=subprocess.STDOUT, text=True, pass_fds=fds
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.said += line
                if line.startswith("{"):
                    self.events.append({**json.loads(line), "read": time.monotonic()})
                self._news.notify_all()

    def of(self, code: str) -> list[dict[str, Any]]:
        """Its events with this code."""
        return [event for event in self.events if event.get("code") == code]

    def codes(self) -> list[str]:
        """The codes of its events."""
        return [event["code"] for event in self.events if "code" in event]

    def messages(self) -> list[str]:
        """What it has said without a code."""
        return [event["message"] for event in self.events if "code" not in event]

    def wait(self, code: str, count: int = 1) -> dict[str, Any]:
        """Its event number `count` with this code, as soon as it has said it."""
        self._until(lambda: len(self.of(code)) >= count, code)
        return self.of(code)[count - 1]

    def wait_for(self, words: str) -> str:
        """All that it has said, as soon as these words are part of it."""
        self._until(lambda: words in self.said, words)
        return self.said

    def _until(self, so: Callable[[], bool], what: str) -> None:
        with self._news:
            found = self._news.wait_for(so, PATIENCE)
        assert found, f"{self.name} has not said {what}:\n{self.said[-4000:]}"

    def signal(self, number: signal.Signals) -> float:
        """Send it; returns when."""
        self.process.send_signal(number)
        return time.monotonic()

    def ended(self) -> int:
        """Its status, as soon as it has one."""
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def term(self) -> int:
        """Its status after SIGTERM."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def close(self) -> None:
        """Whatever becomes of the test, it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def rival(api: BotApiServer) -> Iterator[None]:
    """Somebody who polls the same bot and knows no lock."""
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            url = f"{api.url}/bot{api.token}/getUpdates?timeout=1&offset=-1"
            try:
                urllib.request.urlopen(url, timeout=30).read()
            except urllib.error.HTTPError as error:
                error.close()
            except OSError:
                return

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
