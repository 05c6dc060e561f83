"""The gate that every way in passes: whether one more job may be accepted."""

from __future__ import annotations

from jobs_app import conf
from jobs_app.errors import InvalidRequest, TooLarge


def check_size(parameters_bytes: int) -> None:
    """Raise TooLarge for parameters above PARAMETERS_BYTES."""
    limit = conf.current().parameters_bytes
    if parameters_bytes > limit:
        raise TooLarge(
            f"expected parameters of at most {limit:,} bytes as JSON, got {parameters_bytes:,}; "
            "upload large data as an artifact and pass its id"
        )


def check_queue(name: str) -> None:
    """Raise InvalidRequest for a queue that no worker of this installation is configured for."""
    queues = conf.current().queues
    if name not in queues:
        raise InvalidRequest(f"expected one of the queues {', '.join(queues)}, got {name[:100]!r}")
