"""DuckDB, shut in: bounded memory, threads and disk; it reads one file, writes to the workspace, stops when told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from jobs_app import conf
from jobs_app.authoring import Discard, JobContext
from tasks.kinds.datasets.text import LINE_BYTES

POLL_SECONDS = 0.1
"""The longest time between two looks at whether to stop."""

RESERVE_MEGABYTES = 128
"""What Python, the allocator and uncounted buffers take of the memory a job may use; of little memory, half."""

DISK_FACTOR = 8
"""Temporary files may grow to this many times the memory."""

BUFFER_BYTES = 4 * LINE_BYTES


class Engine:
    """One DuckDB connection over ``file``; use it as a context manager.

    name: what messages call the file.
    context: whose workspace takes temporary and written files, and who hears of progress.
    thread_megabytes: memory that each thread needs at least; there are never more threads than there is memory for.
    """

    def __init__(self, file: Path, name: str, context: JobContext, thread_megabytes: int = 48) -> None:
        self._file = file
        self._thread_megabytes = thread_megabytes
        self._name = name
        self._context = context
        self.megabytes = conf.current().dataset_memory_megabytes

    def __enter__(self) -> Engine:
        limit = max(self.megabytes - RESERVE_MEGABYTES, self.megabytes // 2)
        threads = max(1, min(conf.current().dataset_threads, limit // self._thread_megabytes))
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{limit}MB",
                "threads": str(threads),
                "temp_directory": str(self._context.workspace / "duckdb"),
                "max_temp_directory_size": f"{self.megabytes * DISK_FACTOR}MB",
                "preserve_insertion_order": "false",
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
                "allow_persistent_secrets": "false",
                "python_enable_replacements": "false",
            },
        )
        # In this order: what may be reached can only be named before everything else is shut off.
        self._connection.execute(f"SET allowed_paths = [{text(self._file)}]")
        self._connection.execute(f"SET allowed_directories = [{text(self._context.workspace)}]")
        self._connection.execute("SET enable_external_access = false")
        # Progress is counted only with the bar on; the bar itself is not to be printed.
        self._connection.execute("SET enable_progress_bar = true")
        self._connection.execute("SET enable_progress_bar_print = false")
        self._connection.execute("SET lock_configuration = true")
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="duckdb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()
        self._connection.close()

    def run(
        self, statement: str, parameters: Sequence[Any] = (), *, message: str = "", start: float = 0, end: float = 0
    ) -> list[tuple[Any, ...]]:
        """All rows of a statement. It runs in a thread of its own, so that this one can report and stop it.

        start, end: the part of the job's progress that this statement takes; none by default.
        Raises Discard when the file, or what is asked of it, is at fault.
        """
        part = 0.0
        future = self._pool.submit(self._fetch, statement, parameters)
        try:
            while wait([future], POLL_SECONDS).not_done:
                self._context.check()
                if end > start:
                    # -1 as long as DuckDB cannot tell; and progress never goes back.
                    part = max(part, self._connection.query_progress() / 100)
                    self._context.progress(start + (end - start) * part, 1, message)
        finally:
            self._stop(future)
        try:
            return future.result()
        except duckdb.Error as error:
            raise explain(error, self._file, self._name, self.megabytes) from error

    def _fetch(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
        return rows

    def _stop(self, future: Future[list[tuple[Any, ...]]]) -> None:
        # Again and again: an interrupt that comes before the statement has begun is lost.
        while not future.done():
            self._connection.interrupt()
            wait([future], POLL_SECONDS / 10)


def text(value: object) -> str:
    """``value`` as an SQL text."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def explain(error: duckdb.Error, file: Path, name: str, megabytes: int) -> Exception:
    """The error to raise for DuckDB's: a Discard in words for people, or an OSError, which is worth another attempt."""
    said = str(error).replace(str(file), name)
    if isinstance(error, OURS):
        return error
    if isinstance(error, duckdb.OutOfMemoryException):
        return Discard(
            f"{name}: this needs more than the {megabytes} MB of memory and {megabytes * DISK_FACTOR:,} MB of "
            "temporary disk that one job may use. Ask for fewer columns or groups, leave out the median, or have "
            "DATASET_MEMORY_MEGABYTES raised"
        )
    if isinstance(error, duckdb.IOException):
        return OSError(f"{name}: a file could not be read or written: {_first_line(said)}")
    for pattern, sentence in FAULTS:
        if found := re.search(pattern, said):
            return Discard(f"{name}: {sentence.format(*found.groups())}")
    return Discard(f"{name}: the file could not be read; it may be damaged. Reading it ended with: {_first_line(said)}")


OURS = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
"""Errors in a statement, not in a file: a bug in these modules, to be seen as one."""

FAULTS = (
    (
        r"Line: (\d+)[\s\S]*Expected Number of Columns: (\d+) Found: (\d+)",
        "expected {1} values in every line, as in the header, got {2} in line {0}. Mend that line, or quote values "
        "that hold the delimiter",
    ),
    (
        r"Line: (\d+)[\s\S]*unterminated quote",
        'expected each quotation mark to be closed, got a lone one in line {0}. Double it ("") within a value',
    ),
    (
        r"Line: (\d+)[\s\S]*Maximum line size",
        f"expected lines of at most {LINE_BYTES // 1024:,} KB, got a longer one at line {{0}}. A quotation mark that "
        "is never closed is a usual cause",
    ),
    (
        r"invalid state",
        "expected lines that all end alike, got a mix of line ends. Save the file with one kind of them",
    ),
    (
        r"Malformed JSON[\s\S]* in line (\d+): (.+?)\.?\s",
        "expected one JSON object a line, got something else near line {0}. Write one complete object a line",
    ),
    (r"maximum_object_size", f"expected lines of at most {LINE_BYTES // 1024:,} KB, got a longer one"),
    (r"weir: ([^\n]+)", "{0}"),
)


def _first_line(said: str) -> str:
    """The first line of DuckDB's message, without the name of its class of error."""
    lines = re.sub(r"^([A-Z]\w* )+Error: ", "", said.strip()).splitlines()
    return lines[0][:300] if lines else "no reason given"
