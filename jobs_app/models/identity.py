"""Row ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): unique everywhere, and in order of making, so that indexes stay dense."""
    made: UUID = uuid7()
    return made


def first_id(moment: datetime) -> UUID:
    """No id made at ``moment`` or later is less than this one: 48 bits of an id are its time in milliseconds."""
    since = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=min(max(since, 0), (1 << 48) - 1) << 80)
