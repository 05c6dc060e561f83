"""What a handler returned, as the ledger keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from jobs_app import conf
from jobs_app.policies import Discard


@dataclass(frozen=True)
class Encoded:
    """A result as JSON text, and whether it is small enough for the job's row."""

    text: bytes
    inline: bool

    @property
    def value(self) -> Any:
        """The JSON value, for the row; None when it goes into an artifact."""
        return json.loads(self.text) if self.inline else None


def encode(value: Any) -> Encoded:
    """Turn a return value into JSON. Raises Discard, in words, for what cannot be kept."""
    try:
        text = to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise Discard(
            f"expected the handler to return JSON-ready data (numbers, text, lists, dicts, pydantic models), "
            f"got {type(value).__name__}: {str(error)[:300]}"
        ) from None
    limits = conf.current()
    if len(text) > limits.result_bytes:
        raise Discard(
            f"expected a result of at most {limits.result_bytes:,} bytes as JSON, got {len(text):,}; "
            "save large output with context.save_artifact() and return a summary"
        )
    return Encoded(text, len(text) <= limits.result_inline_bytes)
