"""The small HTTP server of a process that is no web site: probes and metrics."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

SHUTDOWN_SECONDS = 1.0
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves on all interfaces (probes come from outside the pod); ``port`` is the one it listens on once started.

    /healthz, that the process lives, is the same for all; ``answers`` are those to the other paths.
    """

    def __init__(self, port: int, answers: Mapping[str, Answer], *, posts: Mapping[str, Answer] | None = None) -> None:
        """``posts`` are the answers to POST, which no GET reaches."""
        application = web.Application()
        application.add_routes([web.get(path, answer) for path, answer in {"/healthz": _healthz, **answers}.items()])
        application.add_routes([web.post(path, answer) for path, answer in (posts or {}).items()])
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS
        )
        self.port = port

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "0.0.0.0", self.port).start()  # noqa: S104 - see the class
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End the server; requests under way get a second."""
        await self._runner.cleanup()


async def _healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
