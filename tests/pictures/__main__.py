"""Start the platform, fill it, open every page in Chromium, and keep what is seen in docs/images/console.

``python -m tests.pictures [NAME …]`` makes those alone whose names are given.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from jobs_app.platform import demo_data
from jobs_app.platform.demo_client import Api
from jobs_app.platform.running import ROOT, Platform, running
from jobs_app.platform.signals import Signals
from jobs_app.platform.waiting import until
from tests.support.chromium import FLAGS, chromium

FOLDER = ROOT / "docs" / "images" / "console"
PACKAGES = ROOT / "var" / "demo-data"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
COLOURS = 160
SETTLED = 500
"""Milliseconds in which charts are drawn, and the parts that a page asks for come."""

HIGHEST = 2400
"""Pixels."""

COUNTED_SECONDS = 120.0


def places(world: dict[str, Any]) -> dict[str, str]:
    """The name of each picture, and the address of its page."""
    return {
        "overview": "/",
        "jobs": "/jobs/?q=",
        "job": f"/jobs/{world['aggregated']}/",
        "job-failed": f"/jobs/{world['failed']}/",
        "new-job": "/submit/",
        "submit": "/submit/datasets.aggregate/",
        "bulk": "/jobs/bulk/?action=retry&all=1&q=state:failed",
        "queues": "/queues/",
        "queue": "/queues/default/",
        "workers": "/workers/",
        "failures": "/failures/",
        "failure": f"/failures/{world['fingerprint']}/",
        "statistics": "/statistics/",
        "schedules": "/schedules/",
        "reports": "/reports/",
        "planner": "/planner/",
        "datasets": "/datasets/",
        "tokens": "/tokens/",
        "webhooks": "/webhooks/",
        "webhook": f"/webhooks/{world['webhook']}/",
        "audit": "/audit/",
        "admin": "/admin/",
    }


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    wanted = parser.parse_args().names
    if chromium() is None:
        print("expected Chromium, found none (install it, such as: apt-get install chromium)", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="weir-pictures-") as directory:
        given = {**os.environ, "DATA_DIR": directory}
        given.pop("DATABASE_URL", None)
        with Signals() as signals, running("pictures", Console(), signals, given=given) as platform:
            world = _filled(platform)
            for name, kept in _pictures(platform.environment.url, world, wanted):
                print(f"{name}: {kept.stat().st_size // 1024} KiB")
    return 0


def _filled(platform: Platform) -> dict[str, Any]:
    """Fill the ledger; and run real jobs on real data over the API."""
    command = [sys.executable, "-m", "tests.pictures.filling"]
    variables = dict(platform.environment.variables)
    filled = subprocess.run(command, cwd=ROOT, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    world: dict[str, Any] = json.loads(filled.stdout.splitlines()[-1])
    data = demo_data.gather(PACKAGES, platform.data_dir / "demo")
    with Api(platform.environment.url, platform.manage.token("ada")) as api:
        flights = api.upload(data.files[0], lambda _: None)["id"]
        summary = {"dataset": flights, "group_by": demo_data.GROUP_BY, "measure": demo_data.MEASURE}
        world["aggregated"] = api.submit("datasets.aggregate", summary)["id"]
        until(lambda: api.job(world["aggregated"])["final"], COUNTED_SECONDS, pause=1)
        until(lambda: _counted(api), COUNTED_SECONDS, pause=1)
    return world


def _counted(api: Api) -> bool:
    """Whether upkeep has counted the last job for the statistics."""
    found = api.send("GET", "/api/statistics?step=minute", 200)
    return any(point["succeeded"] for point in found["points"][-5:])


def _pictures(site: str, world: dict[str, Any], wanted: list[str]) -> Iterator[tuple[str, Path]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for scheme, size, suffix in (("light", DESK, "light"), ("dark", DESK, "dark"), ("light", PHONE, "phone")):
            page = _page(browser, site, world["session"], color_scheme=scheme, viewport=size)
            for name, address in places(world).items():
                if not wanted or name in wanted:
                    page.set_viewport_size(size)
                    page.goto(address)
                    yield f"{name}-{suffix}", _kept(page, f"{name}-{suffix}")
        browser.close()


def _page(browser: Browser, site: str, session: str, **options: Any) -> Page:
    context = browser.new_context(base_url=site, reduced_motion="reduce", **options)
    context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
    return context.new_page()


def _kept(page: Page, name: str) -> Path:
    """The whole page, in few colours: it is small then, and looks the same."""
    page.wait_for_timeout(SETTLED)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": min(max(height, 600), HIGHEST)})
    page.wait_for_timeout(SETTLED)
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = FOLDER / f"{name}.png"
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
