"""``python -m realtime_runtime``; `command_line` has what it can do."""

import signal

if __name__ == "__main__":
    # What is imported here takes a second or two. Ctrl-C meanwhile ends the process as SIGTERM does, and shows nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from realtime_runtime import command_line, ending

    ending.leave(command_line.main())
