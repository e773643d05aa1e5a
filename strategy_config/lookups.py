"""One row, found and changed, with queries that are compiled once: building them anew is most of what a write costs."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from django.db import DatabaseError, connection, models

Row = TypeVar("Row", bound=models.Model)
Converter = Callable[[Any, Any, Any], Any]


class _Query(NamedTuple):
    """A select of whole rows: their attributes in its order, and (position, converters, expression) where needed."""

    sql: str
    attributes: list[str]
    converters: list[tuple[int, list[Converter], Any]]


class _Compiled(threading.local):
    """A thread's own, as its connection is, which the converters belong to."""

    def __init__(self) -> None:
        self.queries: dict[tuple[Any, ...], _Query] = {}


_compiled = _Compiled()


def find(model: type[Row], *, is_locked: bool = False, **columns: Any) -> Row | None:
    """The row with these values (none of them None), None where there is none.

    ``is_locked``: nobody else writes it until the transaction that is open ends, where the store knows such locks.
    """
    if connection.vendor == "mongodb":
        return next(iter(model._default_manager.filter(**columns)), None)
    key = (connection.vendor, model, is_locked, *columns)
    query = _compiled.queries.get(key)
    if query is None:
        query = _compiled.queries[key] = _compile(model, is_locked, columns)
    meta: Any = model._meta  # its types count reverse relations among the fields
    values = [meta.get_field(name).get_db_prep_value(value, connection) for name, value in columns.items()]
    with connection.cursor() as cursor:
        cursor.execute(query.sql, values)
        found = cursor.fetchone()
    if found is None:
        return None
    row = list(found)
    for position, converters, expression in query.converters:
        for convert in converters:
            row[position] = convert(row[position], expression, connection)
    return model.from_db(connection.alias, query.attributes, row)


def update(row: models.Model, *names: str) -> None:
    """Write these attributes of a row that is in the store, all of them where none is named."""
    meta: Any = row._meta
    if connection.vendor == "mongodb":
        row.save(update_fields=names or None)
        return
    fields = [meta.get_field(name) for name in names] or [each for each in meta.concrete_fields if not each.primary_key]
    quoted = connection.ops.quote_name
    assignments = ", ".join(f"{quoted(field.column)} = %s" for field in fields)
    sql = f"UPDATE {quoted(meta.db_table)} SET {assignments} WHERE {quoted(meta.pk.column)} = %s"  # noqa: S608  (names)
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in (*fields, meta.pk)]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        if cursor.rowcount != 1:
            raise DatabaseError(f"{meta.label} {row.pk} is not in the store.")


def _compile(model: type[models.Model], is_locked: bool, columns: dict[str, Any]) -> _Query:
    rows = model._default_manager.filter(**columns).order_by()
    compiler: Any = (rows.select_for_update() if is_locked else rows).query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    expressions = [expression for expression, _, _ in compiler.select]
    converters = [(at, *found) for at, found in compiler.get_converters(expressions).items()]
    return _Query(sql, [expression.target.attname for expression in expressions], converters)
