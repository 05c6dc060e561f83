"""``make up``: the platform, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from jobs_app.platform.running import ENVIRONMENT_FILE, Platform, running
from jobs_app.platform.signals import Signals

ADMINISTRATOR = "admin"


def up(console: Console, signals: Signals) -> NoReturn:
    """Run the platform until it is asked to stop: then Stopped is raised, after everything has ended."""
    with running("up", console, signals, administrator=ADMINISTRATOR) as platform:
        greet(console, platform)
        platform.watch(console)


def greet(console: Console, platform: Platform) -> None:
    """Say where everything is."""
    environment = platform.environment
    user, password = environment.flower_login
    data = shorter(platform.data_dir)
    shell = f"set -a; . {shlex.quote(str(data / ENVIRONMENT_FILE))}; set +a; .venv/bin/python manage.py"
    if platform.admin_password is not None:
        login = [f"log in as {ADMINISTRATOR} with {platform.admin_password}   (shown only now)"]
    else:
        login = [
            f"log in as {ADMINISTRATOR}; the password was shown at the first start. A new one, in another terminal:",
            f"          {shell} changepassword {ADMINISTRATOR}",
        ]
    flower = f"Flower    {environment.flower_url}/   user {user}, password {password} (until the next start)"
    lines = [
        *login,
        f"admin     {environment.url}/admin/",
        *([flower] if environment.shows_flower else []),
        f"logs      {data / 'logs'}",
        f"shell     {shell} jobs --help",
    ]
    for line in ("", f"Weir is up: {environment.url}/", "", *(f"  {line}" for line in lines), "", "Ctrl-C stops it."):
        console.print(line, markup=False, soft_wrap=True)


def shorter(path: Path) -> Path:
    """A path as seen from here, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
