"""Doing things at the same time, each thread with a database connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connection, connections, transaction

T = TypeVar("T")

HELD_SECONDS = 0.3


def at_once(*steps: Callable[[], T]) -> list[T]:
    """Start every step at the same moment; returns their results in order. What one raises is raised here."""
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(steps))

    def take(number: int, step: Callable[[], T]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            results[number] = step()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(steps))]


class Rival:
    """Another transaction that has done its work and not yet committed: what it touched is locked."""

    def __init__(self) -> None:
        self.waited = 0.0
        """How long the step beside it took, in seconds: at least HELD_SECONDS if the two really met."""
        self.committed = threading.Event()


@contextmanager
def against(work: Callable[[], object], *, seconds: float = HELD_SECONDS) -> Iterator[Rival]:
    """Run the block while another connection has done ``work`` and commits only after ``seconds``.

    A block that contends with that transaction has to wait for it, and shows so in ``waited``.
    """
    rival, errors = Rival(), []
    done, beside = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                work()
                done.set()
                beside.wait(30)
                threading.Event().wait(seconds)
            rival.committed.set()
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert done.wait(30)
    began = time.monotonic()
    beside.set()
    try:
        yield rival
    finally:
        rival.waited = time.monotonic() - began
        thread.join(30)
    if errors:
        raise errors[0]
