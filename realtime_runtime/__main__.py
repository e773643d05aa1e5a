"""``python -m realtime_runtime``; see `command_line`."""

import os
import signal

if __name__ == "__main__":
    # The imports below take a second or two; SIGTERM must not wait for them, nor show a traceback. Without a handler,
    # the first process of a container does not get SIGTERM at all.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))
    from realtime_runtime import command_line
    from service_kit import shutdown

    shutdown.leave(command_line.main())
