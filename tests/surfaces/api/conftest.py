"""Clients of the API with a token, and real servers: granian for the API, another for the live stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.surfaces.api.support import Servers, client_of, token_of


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Any) -> None:
    """No ``collectstatic`` before tests."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def api(alice: User) -> Client:
    """Alice, by token."""
    return client_of(alice)


@pytest.fixture(scope="session")
def _servers(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(worker_environment, tmp_path_factory.mktemp("servers"))
    try:
        servers.start_web()
        servers.start_stream()
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def servers(transactional_db: None, _servers: Servers) -> Servers:
    """Both servers on the test database; started once a run."""
    return _servers


@pytest.fixture
def http(servers: Servers, alice: User) -> Iterator[httpx.Client]:
    """Alice at the real server."""
    headers = {"Authorization": f"Bearer {token_of(alice)}"}
    with httpx.Client(base_url=servers.web, headers=headers, timeout=30) as client:
        yield client
