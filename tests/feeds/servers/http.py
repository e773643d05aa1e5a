"""A server of JSON over HTTP: answers that a test sets, refusals first, and a record of what was asked."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

Body = bytes | dict[str, Any] | list[Any]
Answer = Body | Callable[[web.Request], Body]


class JsonServer:
    """Runs on a free port. ``answers`` by path; ``refusals`` (status, headers, body) go out first, one by one.

    Before those, answers with the headers of ``torn`` begin and break off with the connection.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.refusals: deque[tuple[int, dict[str, str], bytes]] = deque()
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.torn: deque[dict[str, str]] = deque()
        self.is_hanging = False
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(each == path for each, _, _ in self.requests)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, dict(request.query), dict(request.headers)))
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.torn:
            return await _torn(request, self.torn.popleft())
        if self.refusals:
            status, headers, body = self.refusals.popleft()
            return web.Response(status=status, headers=headers, body=body)
        answer = self.answers.get(request.path)
        if answer is None:
            return web.json_response({"error": f"no {request.path} here"}, status=404)
        body = answer(request) if callable(answer) else answer
        return web.Response(
            body=body if isinstance(body, bytes) else json.dumps(body).encode(), content_type="application/json"
        )


async def _torn(request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b'{"data": ')
    assert request.transport is not None
    request.transport.close()
    return response
