"""What a runtime answers a feed that asks how far it is."""

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """The answer to a message with a reply subject, once processed: totals since the start of this runtime.

    A message without content only asks for this; it is neither processed nor counted as such.
    """

    instance_id: str
    received: int
    processed: int
    dropped: int
    errors: int
