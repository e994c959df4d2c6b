"""The few calls of Render's API that we make: which services there are, and what their settings say.

After https://api-docs.render.com/reference: lists come in pages of at most 100, each entry with the cursor
to go on from; the key is a bearer token. Read only. The key is in no error from here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

import urllib3

from logrules import trust
from logrules.core.model import LogrulesError
from logrules.post import USER_AGENT
from logrules.unseen import unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 100
"""Entries that one answer may have."""
PAGES = 50
"""A list that has more pages than this goes round in a circle."""
MAX_ANSWER = 4 << 20
"""Bytes."""
_OK = 200


class RenderApiError(LogrulesError):
    """Render refused a call, or could not be asked.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status} {said}" if status else said)
        self.status = status


class Service(NamedTuple):
    """One service of a workspace."""

    id: str
    name: str
    type: str
    """`web_service`, `background_worker`, `private_service`, `cron_job` or `static_site`."""
    suspended: bool
    instances: int | None
    shutdown: int | None
    """Seconds between SIGTERM and SIGKILL, where they were set."""
    plan: str
    url: str
    """Of its page in the dashboard."""


class EnvGroup(NamedTuple):
    """Settings that several services share."""

    id: str
    name: str
    services: tuple[str, ...]
    """Their ids."""


class RenderApi:
    """What one key can see. Thread-safe.

    Args:
        key: Of the API.
        base_url: Where it is.
        timeout: Seconds for one request.
    """

    def __init__(self, key: str, *, base_url: str, timeout: float) -> None:
        self._url = base_url.rstrip("/")
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {key}",
            "User-Agent": USER_AGENT,
        }
        secure: dict[str, Any] = {"ssl_context": trust.context()} if base_url.startswith("https:") else {}
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(total=timeout), maxsize=8, **secure
        )

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        self._http.clear()

    def services(self) -> list[Service]:
        """Every service of every workspace that the key belongs to. Raises RenderApiError."""
        return [_service(entry["service"]) for entry in self._pages("/services")]

    def env_vars(self, service: str) -> dict[str, str]:
        """A service's own settings, without those of its environment groups. Raises RenderApiError."""
        entries = self._pages(f"/services/{quote(service, safe='')}/env-vars")
        return {entry["envVar"]["key"]: entry["envVar"].get("value") or "" for entry in entries}

    def env_groups(self) -> list[EnvGroup]:
        """The first hundred environment groups: their entries bear no cursor. Raises RenderApiError."""
        found = [entry.get("envGroup", entry) for entry in self._list("/env-groups", None)]
        return [
            EnvGroup(each["id"], each["name"], tuple(link["id"] for link in each["serviceLinks"]))
            for each in found
        ]

    def group_vars(self, group: str) -> dict[str, str]:
        """The settings of an environment group. Raises RenderApiError."""
        found = self._get(f"/env-groups/{quote(group, safe='')}")
        return {each["key"]: each.get("value") or "" for each in found["envVars"]}

    def _pages(self, path: str) -> Iterator[Any]:
        cursor = None
        for _ in range(PAGES):
            entries = self._list(path, cursor)
            yield from entries
            if len(entries) < PAGE:
                return
            cursor = entries[-1]["cursor"]

    def _list(self, path: str, cursor: str | None) -> list[Any]:
        asked = {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
        found = self._get(f"{path}?{urlencode(asked)}")
        if not isinstance(found, list):
            raise RenderApiError(_OK, "the answer is no list")
        return found

    def _get(self, path: str) -> Any:
        status, body, fault = self._answer(path)
        if fault is not None:
            raise RenderApiError(0, fault)
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if status != _OK or found is None:
            said = found.get("message", "") if isinstance(found, dict) else "the answer is not the API's"
            raise RenderApiError(status, " ".join(re.sub(r"[^ -~]", " ", str(said)).split())[:120])
        return found

    def _answer(self, path: str) -> tuple[int, bytes, str | None]:
        """Status and body, or what kept us from having them; never an exception that holds the key."""
        try:
            with unseen():
                answer = self._http.request(
                    "GET", self._url + path, headers=self._headers, redirect=False, preload_content=False
                )
            try:
                return answer.status, answer.read(MAX_ANSWER), None
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return 0, b"", f"Render's API cannot be reached ({type(error).__name__})"


def _service(plain: dict[str, Any]) -> Service:
    details = plain.get("serviceDetails") or {}
    return Service(
        id=plain["id"],
        name=plain["name"],
        type=plain["type"],
        suspended=plain.get("suspended") == "suspended",
        instances=details.get("numInstances"),
        shutdown=details.get("maxShutdownDelaySeconds"),
        plan=details.get("plan", ""),
        url=plain.get("dashboardUrl", ""),
    )
