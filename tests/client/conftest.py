"""Both clients, a server that answers as told, and the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.client.support import MAKERS, TOKEN, Scripted
from tests.surfaces.api.conftest import _servers, servers

__all__ = ["_servers", "servers"]

Connect = Callable[..., Any]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture(params=list(MAKERS))
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """A client of each sort: ``connect(url, patience=5)``."""
    with ExitStack() as opened:

        def made(url: str, token: str = TOKEN, **options: Any) -> Any:
            client = MAKERS[request.param](url, token, **options)
            opened.callback(client.close)
            return client

        yield made
