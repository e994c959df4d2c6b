"""How far one gets on the way to a server: its name, its port, its certificate, an answer.

A name that does not resolve can hang for longer than anybody waits, so each journey goes in a thread that is
left behind when its time is up.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from logrules import trust
from logrules.doctor.finding import Finding, found

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ENDS = {"https": 443, "http": 80}


class Reached(NamedTuple):
    """Where a journey has ended.

    Attributes:
        fault: Where it broke off: `dns`, `tcp`, `tls` or `silent`; None for an answer.
        why: In the words of the system.
        ahead: Seconds that our clock is ahead of the server's, where it told its own.
    """

    fault: str | None = None
    why: str = ""
    ahead: float | None = None


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives. Raises TimeoutError, or what `work` raises."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whose it is
            failed.append(error)

    thread = threading.Thread(target=run, name="doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    return done[0]


def reach(url: str, seconds: float) -> Reached:
    """Go as far as to GET the root of this web server: it changes nothing, and needs no secret."""
    stage = ["dns"]
    try:
        return within(seconds, lambda: _journey(url, seconds, stage))
    except socket.gaierror as error:
        return Reached("dns", error.strerror or str(error))
    except ssl.SSLError as error:
        return Reached("tls", _tls(error))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reached(stage[0], _why(error))


def _journey(url: str, seconds: float, stage: list[str]) -> Reached:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or ENDS[parts.scheme]
    socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    stage[0] = "tcp"
    with socket.create_connection((host, port), seconds) as plain:
        stage[0] = "silent"
        if parts.scheme != "https":
            return _asked(plain, host)
        with trust.context().wrap_socket(plain, server_hostname=host) as secure:
            return _asked(secure, host)


def _asked(connection: socket.socket, host: str) -> Reached:
    client = http.client.HTTPConnection(host)
    client.sock = connection
    begun = time.time()
    client.request("GET", "/", headers={"User-Agent": "logrules", "Connection": "close"})
    answer = client.getresponse()
    theirs = answer.getheader("Date")
    answer.close()
    return Reached(ahead=_ahead(theirs, begun, time.time()) if theirs else None)


def _ahead(theirs: str, begun: float, ended: float) -> float | None:
    """Nothing of what the way took, nor of the second that the header leaves open, counts as a difference."""
    try:
        told = parsedate_to_datetime(theirs).timestamp()
    except ValueError:
        return None
    return ahead(told, told + 1.0, begun, ended)


def ahead(earliest: float, latest: float, begun: float, ended: float) -> float:
    """Seconds that our clock is certainly ahead of another's, which said a time while we asked it."""
    return max(0.0, begun - latest) or min(0.0, ended - earliest)


def resolves(host: str, seconds: float) -> Reached:
    """Whether the name is known."""
    try:
        within(seconds, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except socket.gaierror as error:
        return Reached("dns", error.strerror or str(error))
    except (OSError, ValueError) as error:
        return Reached("dns", _why(error))
    return Reached()


def connects(host: str, port: int, seconds: float) -> bool:
    """Whether somebody takes connections there."""
    try:
        within(seconds, lambda: socket.create_connection((host, port), seconds).close())
    except OSError:
        return False
    return True


def told(reached: Reached, url: str, area: str, state: str) -> Finding | None:
    """What a journey that broke off means for whoever made it; None if it arrived."""
    if reached.fault is None:
        return None
    return found(f"away.{reached.fault}", area=area, state=state, host=place(url), why=reached.why)


def place(url: str) -> str:
    """Host and port of an address, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _tls(error: ssl.SSLError) -> str:
    verified = getattr(error, "verify_message", "")
    return verified or (error.reason or str(error)).replace("_", " ").lower()


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__
