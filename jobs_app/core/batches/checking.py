"""Checking the parameters of many jobs: as ``submission.check`` does for one, with nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from jobs_app.core import admission, encoding, submission, terms
from jobs_app.errors import InvalidParameters
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Fit(NamedTuple):
    """Parameters that fit their kind, in the forms the ledger keeps; ``parameters`` as JSON text."""

    parameters: str
    sealed: bytes | None
    digest: str
    inputs: frozenset[UUID]
    terms: set[int]


def fit(kind: Kind, parameters: Mapping[str, Any], owner: User | None, size: int | None) -> Fit:
    """Check parameters. size: see ``Line``. Raises as ``submission.check`` does."""
    if kind.takes_files or kind.has_secrets:
        checked = submission.check(kind, parameters, owner)
        numbers = terms.of_values(checked.shown, checked.model)
        return Fit(json.dumps(checked.shown), checked.sealed, checked.digest, checked.inputs, numbers)
    if size is None:
        parameters, size = encoding.as_json(parameters)
    elif size > admission.largest():
        size = len(to_json(parameters))  # the line had more in it than the parameters
    admission.check_size(size)
    model = submission.validated(kind, parameters)
    shown = model.model_dump(mode="json")
    problems = list(encoding.refusals(shown))
    if problems:
        raise InvalidParameters(problems)
    return Fit(json.dumps(shown), None, submission.digest_of(kind, shown), frozenset(), terms.of_values(shown, model))
