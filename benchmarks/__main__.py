"""Run every benchmark, one after the other: ``python -m benchmarks``. The options are handed on."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import figures

NAMES = ("rescue", "flush", "broker_away", "rolling_restart", "rollups", "metrics")


def main() -> int:
    """Return how many failed."""
    failed = [
        name for name in NAMES if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]).returncode
    ]
    if failed:
        figures.say(f"did not end well: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
