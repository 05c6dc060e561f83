"""The docs name what there is: files, headings, routes, settings and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from jobs_app.conf import Configuration
from jobs_app.platform.running import ROOT

pytestmark = pytest.mark.once

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
NOW = [doc for doc in PAGES if doc.name != "CHANGELOG.md"]
"""What tells of today: a changelog may name what is gone."""

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
OTHERS = ("INSTALLED_APPS", "KIND_ROUTERS", "FLOWER_", "OTEL_")
"""How the names begin of what is set elsewhere: for Django, Flower, OpenTelemetry."""


def doc_id(doc: Path) -> str:
    return doc.name


@cache
def anchors(doc: Path) -> frozenset[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    text = FENCE.sub("", doc.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


def links(doc: Path) -> Iterator[str]:
    """The relative links and pictures of a doc."""
    for target in LINK.findall(FENCE.sub("", doc.read_text())):
        if not urlsplit(target).scheme:
            yield target


@pytest.mark.parametrize("doc", PAGES, ids=doc_id)
def test_every_link_leads_somewhere(doc: Path) -> None:
    for target in links(doc):
        path, _, anchor = target.partition("#")
        there = (doc.parent / path).resolve() if path else doc
        assert there.exists(), f"{doc.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{doc.name} links to {target}, which has no such heading"


def test_the_readme_leads_to_every_page() -> None:
    linked = {target.partition("#")[0] for target in links(ROOT / "README.md")}
    assert {f"docs/{doc.name}" for doc in (ROOT / "docs").glob("*.md")} <= linked


def test_every_picture_is_shown() -> None:
    shown = {(doc.parent / target).resolve() for doc in PAGES for target in links(doc)}
    assert {path for path in (ROOT / "docs" / "images").glob("*.*") if path.is_file()} <= shown


@pytest.mark.parametrize("doc", NOW, ids=doc_id)
def test_every_route_is_there(doc: Path) -> None:
    for code in CODE.findall(doc.read_text()):
        for word in re.findall(r"(?:^|(?<= ))/[a-z][a-z/]*/(?=$| )", code):
            try:
                resolve(word)
            except Resolver404:
                assert word == "/stream/", f"{doc.name} names {word}"


@pytest.mark.parametrize("doc", NOW, ids=doc_id)
def test_every_setting_is_there(doc: Path) -> None:
    environment = (ROOT / ".env.example").read_text() + (ROOT / "Procfile").read_text()
    known = {field.upper() for field in Configuration.model_fields} | set(re.findall(r"[A-Z][A-Z0-9_]+", environment))
    for code in CODE.findall(doc.read_text()):
        found = SETTING.fullmatch(code.partition("=")[0])
        assert found is None or found[0] in known or found[0].startswith(OTHERS), f"{doc.name} names {code}"


@pytest.mark.parametrize("doc", NOW, ids=doc_id)
def test_every_command_is_there(doc: Path) -> None:
    for name in re.findall(r"manage\.py ([a-z]+)", doc.read_text()):
        assert name in get_commands(), f"{doc.name} names manage.py {name}"
