"""The command line of ``make overload`` and of its parts.

Read before ``benchmarks.ground``, which takes what is left: --seed, --set, and --database and --scale as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PARTS = ("load", "herd", "estimates")
TIMES = 3.0
"""How much more is offered than can be done."""

_parser = argparse.ArgumentParser(prog="benchmarks.overload", epilog="And those of every benchmark: --seed, --set.")
_parser.add_argument("--seconds", type=float, default=60.0, help="How long the load lasts.")
_parser.add_argument("--limit", type=int, default=2000, help="Jobs that may wait in the bounded queue.")
_parser.add_argument("--clients", type=int, default=64, help="Clients that ignore Retry-After.")
_parser.add_argument("--herd", type=int, default=200, help="Clients that obey Retry-After.")
_parser.add_argument("--slots", type=int, default=4, help="Jobs the worker runs at once.")
_parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
_parser.add_argument("--scale", type=float, default=1.0, help="Part of the full size, to try a change: 0.1.")
_parser.add_argument("--only", choices=PARTS, help="Run one part.")
_parser.add_argument("--cut", action="store_true", help="Do not wait until the unbounded queue is empty.")
_parser.add_argument("--output", type=Path, help="Folder of figures and picture. Default: those of the repository.")
_parser.add_argument("--rate", type=float, default=0.0, help=argparse.SUPPRESS)
_parser.add_argument("--unbounded", action="store_true", help=argparse.SUPPRESS)
_parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)

options, _rest = _parser.parse_known_args()
given = tuple(sys.argv[1:])
"""As it was given, to hand on."""
sys.argv[1:] = [*_rest, "--database", options.database, "--scale", str(options.scale)]


def tell(result: dict[str, Any]) -> None:
    """Give a part's result to the program that started it, or print it."""
    words = json.dumps(result)
    if options.result is None:
        sys.stdout.write(words + "\n")
    else:
        options.result.write_text(words)
