"""The columns of an audit row: declared by the model, and read, hashed and exported completely."""

from strategy_config.history import audit_rows
from strategy_config.history.audit_rows import SEALED, ReadRow
from strategy_config.models import ConfigAudit

NOT_HASHED = {"hash", "salts", "redacted"}
"""The hash itself, and what stands for a text that was taken out."""


def test_read_row__has_every_column_of_the_table() -> None:
    assert set(ReadRow._fields) == {field.attname for field in ConfigAudit._meta.concrete_fields}


def test_export__has_every_column() -> None:
    assert set(audit_rows.as_json(ConfigAudit())) == set(ReadRow._fields)


def test_hash__of_a_row_of_today__covers_every_column() -> None:
    row = ConfigAudit()
    audit_rows.seal(row)

    digests = {f"{name}_digest" for name in SEALED}
    assert set(audit_rows.content(row)) == set(ReadRow._fields) - NOT_HASHED - set(SEALED) | digests
