#!/bin/sh
# The image's commands. Those of the Procfile are read from it, so that a container runs what `make run` runs.
set -eu
cd "$(dirname "$0")"

name=${1:-}
[ $# -eq 0 ] || shift
case "$name" in
web | worker | relay | runtime)
    # What an earlier container of the pod has left there is of processes that are gone.
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
    echo "Say which: web | worker | relay | runtime | feed KIND | migrate | manage COMMAND" >&2
    exit 2
    ;;
esac
