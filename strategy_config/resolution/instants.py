"""Instants as they are stored and written: UTC, whole milliseconds."""

from datetime import UTC, datetime


def to_milliseconds(instant: datetime) -> datetime:
    """The instant in UTC, cut to what every store keeps."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def iso(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: ``2024-08-08T10:00:00.000Z``."""
    return (
        None if instant is None else instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
