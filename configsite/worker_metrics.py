"""The worker's metrics for Prometheus, on a port of its own."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service_kit.http_server import HttpServer


def serve(port: int) -> HttpServer:
    """Serve /metrics and /healthz from now on, in a thread; raises OSError if the port is taken."""
    server = HttpServer(port, {"/metrics": _metrics})
    server.start_in_thread()
    return server


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
