"""Django's backend for PostgreSQL, with the driver of this folder."""

from django.db.backends.postgresql import base

from configsite.postgresql import driver


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that never waits without end."""

    Database = driver
