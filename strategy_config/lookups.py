"""One row by its columns, with a query that is compiled once: building it anew is most of what a write would cost."""

from typing import Any, TypeVar

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)
_compiled: dict[tuple[Any, ...], str] = {}


def find(model: type[Row], *, is_locked: bool = False, **columns: Any) -> Row | None:
    """The row with these values (none of them None), None where there is none.

    ``is_locked``: nobody else writes it until the transaction that is open ends, where the store knows such locks.
    """
    rows = model._default_manager
    if connection.vendor == "mongodb":
        return next(iter(rows.filter(**columns)), None)
    key = (model, is_locked, *columns)
    sql = _compiled.get(key)
    if sql is None:
        found = rows.filter(**columns).order_by()
        sql = (found.select_for_update() if is_locked else found).query.sql_with_params()[0]
        _compiled[key] = sql
    meta: Any = model._meta  # its types count reverse relations among the fields
    values = [meta.get_field(name).get_db_prep_value(value, connection) for name, value in columns.items()]
    return next(iter(rows.raw(sql, values)), None)
