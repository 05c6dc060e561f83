"""The types a kind's parameters may have beyond Python's own: a file, and a secret."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

ARTIFACTS = "artifacts"
"""Key of the validation context under which known artifacts lie, a mapping from id to ``Artifact``."""

MENTIONED = "mentioned"
"""Key of the validation context under which a ``set`` collects the ids that parameters name."""


@dataclass(frozen=True)
class Artifact:
    """A file a job takes or makes.

    In a request it is the id of an uploaded file; in a handler ``path`` points to its content on local disk, which
    must not be changed. ``size`` is in bytes, ``sha256`` in hexadecimal.
    """

    id: uuid.UUID
    name: str = ""
    size: int = 0
    content_type: str = ""
    sha256: str = ""
    path: Path = Path()

    @classmethod
    def local(cls, path: Path, *, name: str = "", content_type: str = "") -> Artifact:
        """An artifact from a file at hand, to call a handler as a plain function."""
        path = Path(path)
        return cls(uuid.uuid4(), name or path.name, path.stat().st_size, content_type, "", path)

    def open(self) -> BinaryIO:
        """The content, for reading in binary."""
        return self.path.open("rb")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: str(value.id), return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "uuid", "x-weir": "artifact"}

    @classmethod
    def _validate(cls, value: Any, info: ValidationInfo) -> Artifact:
        if isinstance(value, Artifact):
            return value
        try:
            key = value if isinstance(value, uuid.UUID) else uuid.UUID(str(value)[:64])
        except ValueError:
            raise PydanticCustomError("artifact", "expected the id of an uploaded file (a UUID)") from None
        context: Mapping[str, Any] = info.context or {}
        if MENTIONED in context:
            context[MENTIONED].add(key)
        if ARTIFACTS not in context:
            return cls(key)
        found = context[ARTIFACTS].get(key)
        if not isinstance(found, Artifact):
            raise PydanticCustomError("artifact", "there is no uploaded file with this id, or it is not yours")
        return found


class Secret(SecretStr):
    """A text that is never shown: sealed in the ledger, starred everywhere else. Read it by ``get_secret_value()``."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True, "x-weir": "secret"}


MASK = "**********"
"""What stands in place of a secret wherever parameters are shown (pydantic's own mask)."""


def reveal(value: Any) -> Any:
    """A copy of a tree of parameters with secrets in clear and artifacts as their ids: to be validated, or sealed."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Artifact):
        return str(value.id)
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [reveal(item) for item in value]
    return value
