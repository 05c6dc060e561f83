"""Writing supervisord's configuration: pure text, from the processes to run.

Paths never stand in the configuration: supervisord would read ``%``, ``;`` and ``#`` in them. The run directory has a
plain name, holds one shell script a process, and reaches the logs through a link.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from jobs_app.platform.procfile import Process

FRONT, WORKERS, BROKER = "front", "workers", "broker"
STOP_ORDER = (FRONT, WORKERS, BROKER)
STOP_SECONDS = {FRONT: 10, WORKERS: 90, BROKER: 30}
"""How long a process of each group may take to stop before it is killed. A warm Celery stop can take 32 s when idle."""

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")

HEADER = """\
[supervisord]
nodaemon=true
silent=true
identifier=weir
logfile={run}/logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={run}/supervisord.pid
minfds=256
minprocs=32
umask=077

[unix_http_server]
file={run}/control
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command={command}
priority={priority}
startsecs=1
startretries=3
autorestart=true
stopsignal=TERM
stopasgroup=false
killasgroup=true
stopwaitsecs={seconds}
redirect_stderr=true
stdout_logfile={run}/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True)
class Program:
    """A process and the group it stops with."""

    process: Process
    group: str

    @property
    def name(self) -> str:
        """The process's name, and that of its log."""
        return self.process.name


def programs(processes: Sequence[Process], broker: Process | None) -> tuple[Program, ...]:
    """Put each process of the Procfile, and the embedded broker if there is one, into its group."""
    own = () if broker is None else (Program(broker, BROKER),)
    return own + tuple(Program(process, WORKERS if process.is_worker else FRONT) for process in processes)


def script(process: Process) -> str:
    """The shell script that becomes the process. Leading assignments such as ``NAME=value`` need ``env``."""
    env = "env " if ASSIGNMENT.match(process.command) else ""
    return f"exec {env}{process.command}\n"


def configuration(programs: Sequence[Program], run: str, tether: Sequence[str]) -> str:
    """The text of supervisord.conf.

    run: the run directory, an absolute path of plain characters.
    tether: the command prefix that ends a process with supervisord, such as ``setpriv --pdeathsig TERM``.
    """
    parts = [HEADER.format(run=run)]
    for program in programs:
        command = shlex.join([*tether, "/bin/sh", f"{run}/{program.name}.sh"])
        priority = _priority(program.group)
        parts.append(
            PROGRAM.format(
                name=program.name, command=command, priority=priority, seconds=STOP_SECONDS[program.group], run=run
            )
        )
    for group in reversed(STOP_ORDER):
        members = [program.name for program in programs if program.group == group]
        if members:
            parts.append(f"\n[group:{group}]\nprograms={','.join(members)}\npriority={_priority(group)}\n")
    return "".join(parts)


def _priority(group: str) -> int:
    # supervisord starts the lowest first and stops the highest first, each waited for.
    return 10 * (len(STOP_ORDER) - STOP_ORDER.index(group))
