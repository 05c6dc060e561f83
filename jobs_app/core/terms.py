"""Terms: what a job is found by, written when it is submitted and deleted with it.

Its tags, and the values of its plain parameters: texts, numbers, truth values and files at the top. A secret has no
term, not even as a digest: who can guess could ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from jobs_app.criteria import parameter_term, scalar_text, tag_term
from jobs_app.errors import InvalidRequest
from jobs_app.models import Job, Term
from jobs_app.parameters import MASK

TAGS = 10
TAG_LENGTH = 50
PARAMETERS = 16
"""Parameters of a job that are found by, in the order of its kind's signature."""


def check_tags(tags: Sequence[str]) -> None:
    """Refuse tags that are too many, too long or cannot be seen."""
    if len(tags) > TAGS:
        raise InvalidRequest(f"expected at most {TAGS} tags, got {len(tags)}")
    for each in tags:
        if not (1 <= len(each) <= TAG_LENGTH and each.isprintable() and each == each.strip()):
            raise InvalidRequest(
                f"expected a tag of 1 to {TAG_LENGTH} printable characters, with no space around them, "
                f"got {each[: TAG_LENGTH + 10]!r}"
            )


def of(job: Job, model: BaseModel) -> list[Term]:
    """The rows of a job about to be inserted; ``model``: its parameters. To be written in the same transaction."""
    return [Term(term=each, job_id=job.id) for each in numbers_of(job, model)]


def numbers_of(job: Job, model: BaseModel) -> list[int]:
    """The terms alone, each once and in order."""
    return sorted(of_tags(job.tags or ()) | of_values(job.parameters, model))


def of_tags(tags: Sequence[str]) -> set[int]:
    """The numbers of tags."""
    return {tag_term(each) for each in tags}


def of_values(parameters: Mapping[str, Any], model: BaseModel) -> set[int]:
    """The numbers of parameters, as they are shown and as ``model`` has them."""
    return {parameter_term(name, value) for name, value in _plain(parameters, model)}


def _plain(parameters: Mapping[str, Any], model: BaseModel) -> Iterator[tuple[str, str]]:
    count = 0
    for name, shown in parameters.items():
        # What is masked is no secret by its type alone: an empty secret is shown as an empty text.
        secret = isinstance(getattr(model, name, None), (SecretStr, SecretBytes)) or shown == MASK
        value = None if secret else scalar_text(shown)
        if value is not None and count < PARAMETERS:
            count += 1
            yield name, value
