"""What can go wrong while the platform starts, as errors with a remedy."""

from __future__ import annotations

from pathlib import Path

from jobs_app.errors import WeirError

TAIL_LINES = 25
TAIL_BYTES = 16_384


class PlatformError(WeirError):
    """The local platform could not be started, or fell over."""

    code = "platform"
    title = "The local platform failed"


class ProcessError(PlatformError):
    """A process ended, or did not get ready in time. The message carries the end of its log."""

    def __init__(self, what: str, log: Path) -> None:
        self.log = log
        super().__init__(f"{what}\nThe end of {log}:\n{tail(log)}")


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, indented; says so if there are none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "  (there is no such file)"
    kept = text.splitlines()[-lines:]
    return "\n".join("  " + line for line in kept) or "  (it is empty)"
