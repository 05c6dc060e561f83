"""The hot statements, one a file, named for its verb; ``name.vendor.sql`` where databases must differ.

What one database says in one statement may take another several, with a semicolon at the end of a line between them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from django.db import connection


def statement(name: str) -> str:
    """The text of a statement for the database in use."""
    return _load(name, connection.vendor)


def statements(name: str) -> tuple[str, ...]:
    """The same for what takes several statements here, or elsewhere."""
    return _split(name, connection.vendor)


@cache
def _split(name: str, vendor: str) -> tuple[str, ...]:
    lines = _load(name, vendor).splitlines()
    text = "\n".join(each for each in lines if not each.startswith("--"))  # what is said so often is said in short
    return tuple(text.split(";\n"))


@cache
def _load(name: str, vendor: str) -> str:
    here = files(__package__)
    special = here / f"{name}.{vendor}.sql"
    return (special if special.is_file() else here / f"{name}.sql").read_text()
