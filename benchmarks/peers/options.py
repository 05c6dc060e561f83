"""The command line of ``make bench``."""

from __future__ import annotations

import argparse
from pathlib import Path

MEASURES = ("drain", "live", "compute", "pickup", "worker-memory", "broker-memory")

_parser = argparse.ArgumentParser(prog="benchmarks.peers", description="Weir beside the alternatives.")
_parser.add_argument("--scale", type=float, default=1.0, help="Part of the full size, to try a change: 0.1.")
_parser.add_argument("--rounds", type=int, default=5, help="Rounds; each peer has its turn in each.")
_parser.add_argument("--only", default=",".join(MEASURES), help=f"Measures, of {','.join(MEASURES)}.")
_parser.add_argument("--peers", help="Peers by name, with a semicolon between them. Default: all.")
_parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="A setting of Weir's processes.")
_parser.add_argument("--output", type=Path, help="Folder of figures and pictures. Default: those of the repository.")

options = _parser.parse_args()
if unknown := set(options.only.split(",")) - set(MEASURES):
    _parser.error(f"expected --only among {','.join(MEASURES)}, got {','.join(sorted(unknown))}")


def scaled(count: float, least: int = 1) -> int:
    """A number of jobs, trials or seconds, at the chosen scale."""
    return max(least, round(count * options.scale))
