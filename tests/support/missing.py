"""What to do when a program that some tests need is not installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Skip what is running, with a sentence; fail it where everything must be there (CI, WEIR_TEST_REQUIRE=1)."""
    if os.environ.get("CI") or os.environ.get("WEIR_TEST_REQUIRE", "0") not in {"", "0"}:
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence, allow_module_level=True)
