"""Render's API on loopback, as far as its documentation tells of services and their settings.

Written after https://api-docs.render.com/reference and the client that Render generates from its own
specification (https://github.com/render-oss/cli); never compared with the live API.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs

from logrules.testing.http_server import Exchange, HttpServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API_KEY: Final = "rnd_" + "K" * 28
"""The key of every server."""
DEFAULT, MOST = 20, 100
"""Entries of a page: https://api-docs.render.com/reference/pagination."""

_VARS = re.compile(r"/v1/services/([^/]+)/env-vars\Z")
_GROUP = re.compile(r"/v1/env-groups/([^/]+)\Z")


class RenderApiServer:
    """The lists of services, of their environment variables and of environment groups, on 127.0.0.1.

        with RenderApiServer() as render:
            worker = render.add_service("my-bot", {"BOT_TOKEN": token})
            render.add_group("shared", {"BOT_TOKEN": token}, [worker])
            run_doctor(RENDER_API_KEY=render.key, LOGRULES_RENDER_API=render.url)
            render.limit_after(3)       # 429 from the fourth request on

    Read only: whatever is no GET is refused with 405.
    """

    def __init__(self) -> None:
        self.key = API_KEY
        self.requests: list[str] = []
        """Paths with their queries, in order of arrival."""
        self._http = HttpServer(self._handle)
        self._services: list[dict[str, Any]] = []
        self._vars: dict[str, dict[str, str]] = {}
        self._groups: list[dict[str, Any]] = []
        self._most: int | None = None

    def __enter__(self) -> Self:
        self._http.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        """The base of every call."""
        return f"{self._http.url}/v1"

    def add_service(
        self,
        name: str,
        env: Mapping[str, str],
        *,
        kind: str = "background_worker",
        suspended: bool = False,
        **details: Any,
    ) -> str:
        """A service with these settings of its own; `details` go over the usual ones. Its id."""
        service = f"srv-{len(self._services):020d}"
        self._vars[service] = dict(env)
        self._services.append(
            {
                "id": service,
                "name": name,
                "type": kind,
                "suspended": "suspended" if suspended else "not_suspended",
                "suspenders": ["user"] if suspended else [],
                "dashboardUrl": f"https://dashboard.render.com/worker/{service}",
                "serviceDetails": {"numInstances": 1, "plan": "starter", "region": "frankfurt"} | details,
            }
        )
        return service

    def add_group(self, name: str, env: Mapping[str, str], services: Sequence[str]) -> str:
        """An environment group that is linked to these services. Its id."""
        group = f"evg-{len(self._groups):020d}"
        links = [
            {"id": each["id"], "name": each["name"], "type": each["type"]}
            for each in self._services
            if each["id"] in services
        ]
        variables = [{"key": key, "value": value} for key, value in env.items()]
        self._groups.append({"id": group, "name": name, "serviceLinks": links, "envVars": variables})
        return group

    def limit_after(self, requests: int) -> None:
        """Answer 429 to all but so many requests."""
        self._most = requests

    def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        self.requests.append(f"{request.path}?{request.query}" if request.query else request.path)
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if request.method != "GET":
            _refuse(exchange, 405, "method not allowed")
        elif request.headers.get("authorization") != f"Bearer {self.key}":
            _refuse(exchange, 401, "unauthorized")
        elif self._most is not None and len(self.requests) > self._most:
            _refuse(exchange, 429, "rate limit exceeded")
        else:
            self._answer(exchange, request.path, query)

    def _answer(self, exchange: Exchange, path: str, query: Mapping[str, str]) -> None:
        if path == "/v1/services":
            _page(exchange, "service", self._services, query)
        elif (found := _VARS.match(path)) and found[1] in self._vars:
            variables = [{"key": key, "value": value} for key, value in self._vars[found[1]].items()]
            _page(exchange, "envVar", variables, query)
        elif path == "/v1/env-groups":
            metas = [{name: v for name, v in each.items() if name != "envVars"} for each in self._groups]
            _send(exchange, metas[: _limit(query)])
        elif found := _GROUP.match(path):
            group = next((each for each in self._groups if each["id"] == found[1]), None)
            _send(exchange, group) if group else _refuse(exchange, 404, "not found")
        else:
            _refuse(exchange, 404, "not found")


def _page(exchange: Exchange, name: str, entries: Sequence[Any], query: Mapping[str, str]) -> None:
    """Entries after the cursor, each with its own."""
    if not 1 <= _limit(query) <= MOST:
        _refuse(exchange, 400, "invalid limit")
        return
    listed = [{"cursor": f"c{number}=", name: each} for number, each in enumerate(entries)]
    cursors = [each["cursor"] for each in listed]
    start = cursors.index(query["cursor"]) + 1 if query.get("cursor") in cursors else 0
    _send(exchange, listed[start : start + _limit(query)])


def _limit(query: Mapping[str, str]) -> int:
    return int(query.get("limit", DEFAULT))


def _send(exchange: Exchange, content: Any) -> None:
    exchange.answer(200, json.dumps(content).encode())


def _refuse(exchange: Exchange, status: int, message: str) -> None:
    exchange.answer(status, json.dumps({"id": "req-1", "message": message}).encode())
