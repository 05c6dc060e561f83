"""One stage for all faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connection

from jobs_app.core import transport
from tests.faults.stage import Stage, api_of
from tests.support.broker import Valkey


@pytest.fixture(scope="session")
def _stage(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    made = Stage(directory, Valkey(directory / "broker"), worker_environment)
    yield made
    made.close()


@pytest.fixture
def unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process publishes nothing: it knows another broker. The stage's web server and upkeep do."""
    transport.publisher.drain()
    monkeypatch.setattr(transport.publisher, "work", lambda queue: None)


@pytest.fixture
def stage(quiet: None, unpublished: None, _stage: Stage) -> Iterator[Stage]:
    """The stage, with every usual process running and seen to work."""
    _stage.ensure()
    _stage.serves()
    yield _stage
    _stage.heal()


@pytest.fixture
def api(stage: Stage, alice: User) -> Iterator[httpx.Client]:
    """Alice at the stage's web server."""
    with api_of(stage, alice) as client:
        yield client


@pytest.fixture
def postgresql() -> None:
    """The cases of a database that is a server."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is no server that could be away")


@pytest.fixture
def sqlite() -> Path:
    """The file of the ledger."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no lock on all of the ledger")
    return Path(connection.settings_dict["NAME"])
