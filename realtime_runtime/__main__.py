"""``python -m realtime_runtime``; `command_line` has what it can do."""

import os
import signal

if __name__ == "__main__":
    # What is imported below takes a second or two, and its end must not wait for that, nor show a traceback. Without a
    # handler of its own a container's first process would not hear of SIGTERM at all.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))
    from realtime_runtime import command_line
    from service_kit import shutdown

    shutdown.leave(command_line.main())
