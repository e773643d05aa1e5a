"""What msgspec says of bytes that are not what is asked for."""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not what is asked for."""
