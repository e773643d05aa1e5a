"""A worker process of granian whose requests go to `Dispatcher`.

Like granian's own for WSGI, but with the request of RSGI, whose body can be received without waiting in a thread. RSGI
needs an event loop; here it uses the loop only for callbacks, which run in the current thread.
Written for the version of granian that requirements.in pins; every test of the running site goes through it.
"""

import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from granian._granian import CallbackScheduler, RSGIWorker, WorkerSignal
from granian.server.mp import WorkerProcess

from configsite.server.lanes import RESERVED_THREADS

# A client that reads nothing of its answer for this long is disconnected, because it holds buffers.
READER_SECONDS = 30
OPEN_FILES = 8_192


class _CallbackLoop:
    """The part of an event loop that granian uses."""

    def call_soon(self, callback: Callable[..., Any], *arguments: Any, context: Any = None) -> None:
        """Call it now: after a request's body was received, or when waiting for it was abandoned."""
        callback(*arguments)

    call_soon_threadsafe = call_soon


@WorkerProcess.wrap_target  # type: ignore[untyped-decorator]  # granian's server has no type hints
def serve(
    worker_id: int,
    application: Any,
    sock: tuple[Any, Any],
    ipc: Any,
    loop: Any,
    runtime_mode: Any,
    runtime_threads: int,
    runtime_blocking_threads: int,
    blocking_threads: int,
    blocking_threads_idle_timeout: int,
    backpressure: int,
    task_impl: Any,
    http_mode: str,
    http1_settings: Any,
    http2_settings: Any,
    websockets: bool,
    static_path: Any,
    log_access_fmt: str | None,
    ssl_ctx: Any,
    scope_opts: Any,
    metrics: Any,
) -> None:
    """Serve until a signal ends the process. The parameters are granian's."""
    from configsite.server.dispatcher import Dispatcher  # Django is set up by now, and not before

    _allow_open_files()
    dispatcher = Dispatcher(application, blocking_threads - RESERVED_THREADS)
    stopped = threading.Event()
    shutdown = WorkerSignal()
    shutdown.add_cb(stopped.set)

    def end(number: int, frame: Any) -> None:
        dispatcher.end()
        shutdown.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    create: Any = RSGIWorker  # The stub lacks some of its parameters.
    worker = create(
        worker_id,
        (None, _listener(sock[0])),
        ipc,
        runtime_threads,
        runtime_blocking_threads,
        blocking_threads,
        blocking_threads_idle_timeout,
        backpressure,
        http_mode,
        http1_settings,
        http2_settings,
        False,
        static_path,
        *ssl_ctx,
        metrics,
    )
    callbacks = _CallbackLoop()
    schedule: Any = CallbackScheduler  # As above.
    scheduler = schedule(callbacks, dispatcher, None, None, None)
    scheduler._schedule_fn = dispatcher
    worker.serve_mtr(scheduler, callbacks, shutdown)
    stopped.wait()


def _listener(specification: Any) -> Any:
    """The listening socket, whose connections inherit what is set on it."""
    holder = specification.build()
    with socket.socket(fileno=os.dup(holder.get_fd())) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READER_SECONDS * 1_000)
    return holder


def _allow_open_files() -> None:
    """As many as the system allows, within reason: each connection needs one, and shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
