"""Prepares the database before `make run` starts the site, in one process because starting Django takes a second.

Prints one JSON object: the passwords of the demo users and the API token, if they were created by this run.
"""

import io
import os
import sys

import django
from django.core.management import call_command


def main() -> None:
    """Migrate, collect the static files, create the demo users, bring Redis up to date with the database."""
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    made = io.StringIO()
    call_command("create_demo_users", json=True, reset=bool(os.environ.get("RESET_USERS")), stdout=made)
    # An embedded Redis starts empty; with this, the runtime finds the configuration at its start.
    call_command("reconcile", stdout=io.StringIO())
    sys.stdout.write(made.getvalue())


if __name__ == "__main__":
    main()
