"""``python -m tests.chaos``: one run for each combination of database and broker; see docs/chaos.md."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import run
from tests.chaos.options import Options
from tests.chaos.plan import ROOT

DATABASES = ("sqlite", "postgresql")
BROKERS = ("valkey", "rabbitmq", "sqs")


def main(arguments: Sequence[str]) -> int:
    """Run; returns 0 if nothing was violated, 1 otherwise."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    databases = DATABASES if options.database == "both" else (options.database,)
    brokers = BROKERS if options.broker == "all" else (options.broker,)
    os.chdir(ROOT)
    if len(databases) * len(brokers) == 1:
        return _one(options, seed)
    return _all(options, seed, databases, brokers)


def _one(options: argparse.Namespace, seed: int) -> int:
    ended = run.run(
        Options(
            seed=seed,
            seconds=options.seconds,
            jobs=options.jobs,
            database=options.database,
            broker=options.broker,
            production_times=options.production_times,
            max_kills=options.max_kills,
            late=options.late,
            patience=options.patience,
            keep=options.keep,
        )
    )
    from tests.chaos import report

    print(report.show(ended), flush=True)
    if options.json:
        options.json.write_text(json.dumps([ended.as_json()], indent=1))
    return 0 if ended.good else 1


def _all(options: argparse.Namespace, seed: int, databases: Sequence[str], brokers: Sequence[str]) -> int:
    """A process for each combination: settings are read once in a process."""
    failed, found = 0, []
    for database in databases:
        for broker in brokers:
            with tempfile.NamedTemporaryFile(suffix=".json") as answer:
                command = [
                    sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--seconds", str(options.seconds),
                    "--jobs", str(options.jobs), "--database", database, "--broker", broker,
                    "--patience", str(options.patience), "--json", answer.name,
                    "--max-kills", str(options.max_kills), *(["--late"] if options.late else []),
                    *(["--production-times"] if options.production_times else []),
                    *(["--keep"] if options.keep else []),
                ]  # fmt: skip
                failed += subprocess.run(command, check=False, cwd=ROOT).returncode != 0
                text = Path(answer.name).read_text()
                found += (
                    json.loads(text) if text else [{"database": database, "broker": broker, "faults": ["no report"]}]
                )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    print(f"{len(databases) * len(brokers) - failed} of {len(databases) * len(brokers)} runs passed", flush=True)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same seed gives the same plan; default: a random one, printed")
    parser.add_argument("--seconds", type=float, default=90, help="how long faults are injected (default 90)")
    parser.add_argument("--jobs", type=int, default=3000, help="how many jobs are submitted (default 3000)")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--broker", choices=[*BROKERS, "all"], default="valkey")
    parser.add_argument("--production-times", action="store_true", help="leases and heartbeats as they ship, not short")
    parser.add_argument("--max-kills", type=int, default=100, help="MAX_KILLS; Weir ships with 3 (default 100: never)")
    parser.add_argument("--late", action="store_true", help="fail if no late write was there to be refused")
    parser.add_argument("--patience", type=float, default=180, help="seconds for all jobs to end after the last fault")
    parser.add_argument("--keep", action="store_true", help="keep ledger, logs and record even when nothing is wrong")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
