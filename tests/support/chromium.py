"""Where Chromium is, and how it is started."""

from __future__ import annotations

import os
import shutil

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]
MISSING = "NO CHROMIUM: THE BROWSER TESTS WERE NOT RUN (install it, such as: apt-get install chromium)"


def chromium() -> str | None:
    """Its path; CHROMIUM names it where it is not on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CANDIDATES)), None)
