"""A real browser before a real site: Chromium, the web server and the live stream of the Procfile.

Without Chromium these tests are skipped, and the run says so at its end, in capitals.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from jobs_app.platform import ports
from jobs_app.platform.waiting import until
from tests.support.chromium import FLAGS, MISSING, chromium
from tests.support.processes import ROOT

GRANIAN = [sys.executable, "-m", "granian", "--host", "127.0.0.1", "--no-ws", "--workers", "1"]
DESK = {"width": 1280, "height": 900}
PATIENCE = 30_000
"""Milliseconds; the machine may be busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            if chromium() is None:
                item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if chromium() is None:
        terminalreporter.write_sep("!", MISSING, red=True, bold=True)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium instead of a downloaded one."""
    return {**browser_type_launch_args, "executable_path": chromium(), "args": FLAGS}


@pytest.fixture(scope="session")
def site(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running site with its live stream, on the test database and the test broker."""
    logs = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        web, stream = (stack.enter_context(closing(ports.Reservation(0))).port for _ in range(2))
        environment = {**worker_environment, "STREAM_URL": f"http://127.0.0.1:{stream}"}
        commands = {
            web: [*GRANIAN, "--interface", "wsgi", "--blocking-threads", "2", "project.wsgi:application"],
            stream: [*GRANIAN, "--interface", "asgi", "--workers-kill-timeout", "1s", "project.asgi:application"],
        }
        for port, command in commands.items():
            log = stack.enter_context((logs / str(port)).open("wb"))
            process = subprocess.Popen(
                [*command, "--port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        for port in commands:
            assert until(lambda port=port: _listens(port), 60), (logs / str(port)).read_text()
        yield f"http://127.0.0.1:{web}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


Open = Callable[..., Page]


@pytest.fixture
def opened(site: str, transactional_db: None, browser: Browser) -> Iterator[Open]:
    """Open a page of a browser of its own: ``opened(alice, viewport=…)``, or ``opened(None)`` for a stranger.

    The test fails if a script of any page does, or if the security policy has to refuse something.
    """
    errors: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(user: User | None, **options: Any) -> Page:
        context = browser.new_context(base_url=site, **{"viewport": DESK, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        if user is not None:
            session = Client()
            session.force_login(user)
            context.add_cookies([{"name": "sessionid", "value": session.cookies["sessionid"].value, "url": site}])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Security Policy" in line.text else None)
        return page

    yield open_page
    # No page is to ask the site anything while the next test empties the tables.
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def alices(opened: Open, alice: User) -> Page:
    """A page of alice's browser."""
    return opened(alice)
