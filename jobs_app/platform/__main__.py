"""``python -m jobs_app.platform up|demo``: what ``make up`` and ``make demo`` run."""

from __future__ import annotations

import argparse
import sys

from jobs_app.platform.signals import Signals, Stopped, follow_parent

SIGNAL_EXIT = 128


def main() -> int:
    """Run the command; returns the exit code.

    0: the demo succeeded, or ``up`` was asked to stop. 1: it failed. 130 or 143: a demo was interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m jobs_app.platform", description="Weir on this machine.")
    parser.add_argument("command", choices=("up", "demo"), help="keep the platform running, or show it at work")
    parser.add_argument("--follow-parent", action="store_true", help="stop when the parent process (make) dies")
    arguments = parser.parse_args()
    with Signals() as signals:
        if arguments.follow_parent:
            follow_parent()
        try:
            return _run(arguments.command, signals)
        except Stopped as stopped:
            return 0 if arguments.command == "up" else SIGNAL_EXIT + stopped.signal_number


def _run(command: str, signals: Signals) -> int:
    # Imported only now: Ctrl-C must be answered well from the first moment on.
    from django.core.exceptions import ImproperlyConfigured

    from jobs_app.errors import WeirError
    from jobs_app.platform.demo import demo
    from jobs_app.platform.up import up
    from jobs_app.platform.voice import console

    voice = console()
    try:
        return (up if command == "up" else demo)(voice, signals)
    except Stopped:
        voice.print("Weir has stopped. Queued jobs are kept and run at the next start.")
        raise
    except (WeirError, ImproperlyConfigured) as error:
        voice.print(f"\n{error}", markup=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
