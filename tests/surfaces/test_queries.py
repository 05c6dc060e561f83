"""Each page, each GET of the API and each page of the admin takes as many queries for much as for little."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_app.web import probes
from tests.support import world as worlds
from tests.surfaces.asking import addresses, client

MORE = ("second", "third", "fourth")
LONGEST = 60
"""Queries of one page."""


def asked(browser: Client, address: str) -> list[str] | None:
    """The statements that one look takes, after one that fills what is remembered; None if there is no page."""
    for _ in range(2):
        probes.kept_metrics.forget()
        probes.kept_checks.clear()
        with CaptureQueriesContext(connection) as captured:
            answer = browser.get(address)
            if answer.streaming:
                b"".join(answer.streaming_content)
    return [each["sql"] for each in captured.captured_queries] if answer.status_code in {200, 204} else None


@pytest.mark.usefixtures("unhurried")
def test_more_of_everything_takes_no_more_queries(now: datetime) -> None:
    chief = User.objects.create_superuser("chief")
    worlds.made(chief, "first", now=now)
    User.objects.create_user("bob")
    world, browser = worlds.made(chief, "flights", now=now), client(chief)
    few = {place: found for place in addresses(world) if (found := asked(browser, place)) is not None}
    assert len(few) > 100
    for text in MORE:
        worlds.made(chief, text, now=now)
    wrong = []
    for place, before in few.items():
        after = asked(browser, place) or []
        if len(after) > len(before) or len(after) > LONGEST:
            more = [each[:300] for each in after if after.count(each) > 1 or each not in before]
            wrong.append(f"{place}: {len(before)} queries, then {len(after)}\n    " + "\n    ".join(more[:6]))
    assert not wrong, "\n".join(wrong)
