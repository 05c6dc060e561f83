"""The hot statements, one a file, named for its verb; ``name.vendor.sql`` where databases must differ."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from django.db import connection


def statement(name: str) -> str:
    """The text of a statement for the database in use."""
    return _load(name, connection.vendor)


@cache
def _load(name: str, vendor: str) -> str:
    here = files(__package__)
    special = here / f"{name}.{vendor}.sql"
    return (special if special.is_file() else here / f"{name}.sql").read_text()
