#!/bin/sh
# The image's commands. Four of them are read from the Procfile, so that a container runs the same commands as `make
# run`.
set -eu
cd "$(dirname "$0")"

name=${1:-}
[ $# -eq 0 ] || shift
case "$name" in
web | worker | relay | runtime)
    # Files left by an earlier container of the pod belong to processes that no longer exist.
    [ "$name" != web ] || rm -f "${PROMETHEUS_MULTIPROC_DIR:-/nowhere}"/*.db
    command=$(sed -n "s/^$name: //p" Procfile)
    exec sh -c "exec $command"
    ;;
feed)
    exec python -m realtime_runtime feed "$@"
    ;;
migrate)
    exec python manage.py migrate --noinput "$@"
    ;;
manage)
    exec python manage.py "$@"
    ;;
*)
    echo "Unknown or missing command. Use one of:" \
        "web | worker | relay | runtime | feed KIND | migrate | manage COMMAND" >&2
    exit 2
    ;;
esac
