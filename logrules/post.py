"""One HTTP request, and what became of it: how an alert reaches whoever is told by HTTP.

Queue, retries and durability are the outbox's: here is one attempt, bounded in time, on the calling thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logrules import trust
from logrules.core.alerting.delivery import Delivery, of_status, retry
from logrules.unseen import unseen

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT = "logrules"
CONNECT, READ = 5.0, 10.0
"""Seconds that an attempt may take, where nobody has said how many."""


class Post:
    """One address. Thread-safe.

    Args:
        url: Where to. It may hold a secret, and is in nothing that is told.
        name: What the operator calls it.
        headers: Sent with each request.
        meanings: What a status says beyond its number: the cause and the next step.
        category: Of what is sent, where a rate limit names its categories as Sentry does.
        timeout: Seconds for the whole attempt; without it the usual ones.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        headers: Mapping[str, str],
        meanings: Mapping[int, str] | None = None,
        category: str = "error",
        timeout: float | None = None,
    ) -> None:
        import urllib3  # here, because it costs 25 ms, and who has nobody to tell needs none of it

        self._url = url
        self._name = name
        self._headers = {"User-Agent": USER_AGENT, **headers}
        self._meanings = meanings or {}
        self._category = category
        secure: dict[str, Any] = {"ssl_context": trust.context()} if url.startswith("https:") else {}
        limit = urllib3.Timeout(total=timeout) if timeout else urllib3.Timeout(connect=CONNECT, read=READ)
        self._pool = urllib3.PoolManager(retries=False, timeout=limit, **secure)

    def __call__(self, body: bytes, headers: Mapping[str, str] | None = None) -> Delivery:
        """Make one attempt. Never raises for what a network does."""
        from urllib3.exceptions import HTTPError

        try:
            with unseen():
                answer = self._pool.request(
                    "POST",
                    self._url,
                    body=body,
                    headers={**self._headers, **(headers or {})},
                    preload_content=False,
                )
            answer.close()  # status and headers say it all; a body may drip for ever
        except (HTTPError, OSError, ValueError) as error:
            return retry(f"{self._name} cannot be reached ({type(error).__name__})")
        told = {name.lower(): value for name, value in answer.headers.items()}
        outcome = of_status(answer.status, told, self._category)
        meaning = self._meanings.get(answer.status)
        said = f"{self._name} answered {answer.status}"
        return outcome._replace(why=f"{said}: {meaning}" if meaning else said)
