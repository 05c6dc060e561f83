"""A submission as JSON, and a bulk submission as JSON lines (NDJSON), as API and command line read them.

A body is never held whole: it is split into lines as it comes, each no longer than a job may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from jobs_app import conf
from jobs_app.core.batches.lines import Line
from jobs_app.core.submission import Options
from jobs_app.errors import FieldProblem, InvalidRequest, TooLarge, WeirError, in_words
from jobs_app.lifecycle import Via

ALLOWANCE = 16_384
"""Bytes that a submission may have beyond PARAMETERS_BYTES, for everything around the parameters."""

FAULTS = 20
"""Faults of one line that are told."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time that exists in UTC") from None


def _printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("expected printable characters")
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Submission(BaseModel):
    """A job to submit. ``parameters`` are those of its kind; times need a time zone."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    queue: str | None = Field(None, description="Default: the kind's.")
    webhook: str | None = Field(None, description="The name of a webhook of yours that is told of its end.")
    priority: int = Field(0, description="-100 to 100; higher runs first.")
    due_at: Moment | None = Field(None, description="Not before this time.")
    expires_at: Moment | None = Field(None, description="Fail if not started by then.")
    max_attempts: int | None = Field(None, description="1 to 100; default: the kind's.")
    tags: list[str] = Field(
        default_factory=list, description="At most 10, of 1 to 50 printable characters, to find the job by: q=tag:…"
    )
    overflow: bool = Field(False, description="Into a full queue too, up to its hard limit; needs a permission.")

    def options(self) -> dict[str, Any]:
        """Everything but kind and parameters."""
        return {name: getattr(self, name) for name in Submission.model_fields if name not in {"kind", "parameters"}}


class BulkLine(Submission):
    """A job of many, with a key of its own if it likes."""

    webhook: Annotated[str | None, AfterValidator(_printable)] = None
    idempotency_key: str | None = None


class InvalidLine(InvalidRequest):
    """A line that is no submission; ``problems`` has one entry a fault."""

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{each.pointer}: {each.message}".removeprefix(": ") for each in self.problems))


class Reader:
    """Reads the lines of one bulk submission. token: the id of the API token it comes with."""

    def __init__(self, via: Via, token: int | None = None) -> None:
        self._via, self._token = via, token
        self._latest: tuple[list[Any], Options] | None = None

    def read(self, blocks: Iterable[bytes]) -> Iterator[Line | WeirError]:
        """The lines of a text that comes in blocks, empty ones left out; what is wrong with a line in its place."""
        longest = conf.current().parameters_bytes + ALLOWANCE
        for text in split(blocks, longest=longest):
            yield self.line(text) if text is not None else TooLarge(f"expected a line of at most {longest:,} bytes")

    def line(self, text: bytes) -> Line | InvalidLine:
        """One line."""
        try:
            found = BulkLine.model_validate_json(text)
        except ValidationError as error:
            faults = error.errors(include_url=False)[:FAULTS]
            return InvalidLine(FieldProblem(tuple(fault["loc"]), _in_words(fault)) for fault in faults)
        return Line(found.kind, found.parameters, self._options(found), found.idempotency_key, len(text))

    def _options(self, found: BulkLine) -> Options:
        """Of a line; the same object as of the line before, if it says the same."""
        given = found.options()
        told = list(given.values())
        if self._latest is None or self._latest[0] != told:
            given["tags"] = tuple(given["tags"])
            self._latest = told, Options(via=self._via, token=self._token, **given)
        return self._latest[1]


def _in_words(fault: Mapping[str, Any]) -> str:
    said = in_words(fault)
    return said.replace("Invalid JSON:", "expected JSON, got:") if fault["type"] == "json_invalid" else said


def split(blocks: Iterable[bytes], *, longest: int) -> Iterator[bytes | None]:
    """The lines of a text that comes in blocks, without those that are blank; None for one that is too long."""
    rest, long = b"", False
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for text in whole:
            if long or len(text) > longest:
                yield None
            elif text.strip():
                yield text
            long = False
        if len(rest) > longest:
            rest, long = b"", True
    if long or len(rest) > longest:
        yield None
    elif rest.strip():
        yield rest
