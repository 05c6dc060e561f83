"""The API against its own description: Schemathesis makes requests of it, good and bad, to a real server.

Every answer has to be one that the description tells, none is a 500, and what the description forbids is refused.
``WEIR_TEST_EXAMPLES`` says how many requests of each sort an operation gets (default 10).
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi import checks

from jobs_app.api.routes import api
from jobs_app.lifecycle import State
from tests.support.ledger import reaching
from tests.surfaces.api.support import Servers, token_of

EXAMPLES = int(os.environ.get("WEIR_TEST_EXAMPLES", "10"))
OPERATIONS = sorted(
    (path, method)
    for path, methods in api.get_openapi_schema(path_prefix="/api/")["paths"].items()
    for method in methods
    if path != "/api/jobs/bulk"  # Schemathesis makes no JSON lines; test_bulk_submission.py does
)
UNHURRIED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
# Not judged: whether what fits the description is accepted (a file has to exist, two parameters have to go together,
# and no description tells that), and whether a key opens (test_closed.py does; here every request has a good one).
UNJUDGED = [checks.positive_data_acceptance, checks.ignored_auth]


@pytest.fixture
def described(servers: Servers, carol: User) -> Any:
    """The description, as an operator's token gets it; there are jobs in every state but blocked.

    Such a one is made of a queued one by hand, and the server's publisher may have been quicker.
    """
    for state in [each for each in State if each is not State.BLOCKED]:
        reaching(state, owner=carol)
    key = {"Authorization": f"Bearer {token_of(carol)}"}
    found = schemathesis.openapi.from_url(f"{servers.web}/api/openapi.json", headers=key)
    found.config.update(headers=key)
    return found


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_described(described: Any, path: str, method: str, mode: Any) -> None:
    @UNHURRIED
    @given(case=described[path][method.upper()].as_strategy(generation_mode=mode))
    def judge(case: schemathesis.Case) -> None:
        case.call_and_validate(timeout=60, excluded_checks=UNJUDGED)

    try:
        judge()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE, "expected requests to be made of this operation"
