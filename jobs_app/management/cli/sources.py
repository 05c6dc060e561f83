"""Where text comes from that no option holds: files, standard input, the environment, the person at the terminal."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from jobs_app import conf
from jobs_app.core import admission
from jobs_app.errors import InvalidRequest


class Sources:
    """Reads each source within bounds; standard input can be read once."""

    def __init__(self) -> None:
        self._stdin_used_by = ""

    def json(self, text: str, flag: str) -> tuple[Any, bool]:
        """JSON given inline, as ``@file`` or as ``-``; and whether it stood on the command line itself."""
        inline = not (text == "-" or text.startswith("@"))
        raw = text if inline else self.text(text.removeprefix("@"), flag)
        admission.check_size(len(raw.encode("utf-8", "surrogateescape")))
        try:
            return json.loads(raw, parse_constant=_refuse_constant), inline
        except RecursionError:
            raise InvalidRequest(f"{flag}: expected JSON that is not nested so deeply") from None
        except ValueError as error:
            hint = "; to read a file, write @ before its name" if inline and Path(raw[:255]).is_file() else ""
            raise InvalidRequest(f"{flag}: expected JSON, got {raw[:60]!r} ({error}){hint}") from None

    def secret(self, name: str, flag: str) -> str:
        """A secret from a file or ``-``, without its last line break."""
        return self.text(name, flag).removesuffix("\n").removesuffix("\r")

    def text(self, name: str, flag: str) -> str:
        """UTF-8 text of a file, or of standard input for ``-``; at most PARAMETERS_BYTES."""
        limit = conf.current().parameters_bytes + 1
        try:
            if name == "-":
                self._claim_stdin(flag)
                raw = sys.stdin.buffer.read(limit)
            else:
                with Path(name).open("rb") as file:
                    raw = file.read(limit)
            admission.check_size(len(raw))
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidRequest(f"{flag}: expected UTF-8 text in {name!r}, got other bytes") from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidRequest(f"{flag}: expected a file that can be read, got {name!r} ({why})") from None

    def variable(self, name: str, flag: str) -> str:
        """A secret from the environment."""
        try:
            return os.environ[name]
        except KeyError:
            raise InvalidRequest(f"{flag}: expected the environment variable {name!r}, and it is not set") from None

    @property
    def can_ask(self) -> bool:
        """Whether a person sits at the terminal whose input is not needed for something else."""
        return not self._stdin_used_by and sys.stdin is not None and sys.stdin.isatty()

    def ask(self, flag: str) -> str:
        """A secret as the person types it, unseen."""
        try:
            return getpass.getpass(f"{flag.lstrip('-')} (not shown): ")
        except EOFError:
            raise InvalidRequest(f"{flag}: expected a secret to be typed, got nothing") from None

    def _claim_stdin(self, flag: str) -> None:
        if self._stdin_used_by:
            both = f"{self._stdin_used_by} and {flag}"
            raise InvalidRequest(f"expected one option at most to read standard input, got {both}")
        self._stdin_used_by = flag


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
