"""Row ids."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): unique everywhere, and in order of making, so that indexes stay dense."""
    made: UUID = uuid7()
    return made
