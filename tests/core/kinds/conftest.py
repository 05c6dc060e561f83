from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_app.authoring import Artifact, DetachedContext

Put = Callable[..., Artifact]


@pytest.fixture
def detached(tmp_path: Path) -> DetachedContext:
    workspace = tmp_path / "work space, with 'marks' [x]*"
    workspace.mkdir()
    return DetachedContext(workspace)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Makes an artifact of some bytes. Its file on disk has a name without ending, as in the artifact store."""

    def make(content: bytes | str, name: str = "data.csv") -> Artifact:
        path = tmp_path / f"stored [{len(list(tmp_path.iterdir()))}] it's"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Artifact.local(path, name=name)

    return make


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """Changes the configuration for one test."""

    def change(**values: Any) -> None:
        settings.WEIR = settings.WEIR.model_copy(update=values)

    return change
