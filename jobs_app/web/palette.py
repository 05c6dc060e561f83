"""The command palette: pages, kinds, and jobs by id, word or search; and the letters that lead to pages."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs_app.core import clock
from jobs_app.reads import finding, kinds
from jobs_app.web import navigation, words
from jobs_app.web.pages import page, render, user_of

LONGEST = 200


@dataclass(frozen=True)
class Place:
    """One thing to go to. ``words``: what it is found by, beside its name. ``letter``: after ``g``; may be empty."""

    name: str
    url: str
    icon: str
    about: str
    words: str = ""
    letter: str = ""


@page
@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    """What there is to choose from, before anything is typed."""
    return render(request, "palette.html", {"places": [*pages(request.user), *_kinds()]})


@page
@require_safe
def found(request: HttpRequest) -> HttpResponse:
    """The jobs that are meant by what was typed, and where all of them are listed; 204 if there are none."""
    told = finding.find(user_of(request), request.GET.get("q", "")[:LONGEST], now=clock.database_now())
    if not told.jobs:
        return HttpResponse(status=204)
    places = [
        Place(
            f"{each.kind} {each.id}", reverse("job", args=[each.id]), "jobs",
            f"{each.state} {words.excerpt(each.parameters, 60)}",
        )
        for each in told.jobs
    ]  # fmt: skip
    places += [
        Place(each, f"{reverse('jobs')}?{urlencode({'q': each})}", "right", "all jobs of this search")
        for each in told.searches
    ]
    return render(request, "palette.html", {"places": places, "jobs": True})


def pages(user: User | AnonymousUser) -> list[Place]:
    """The ways that this user may take, each with a letter of its own where its name has one that is free."""
    taken: set[str] = set()
    told = []
    for group, ways in navigation.groups_for(user):
        for way in ways:
            letter = next((each for each in way.entry.name.lower() if each.isalpha() and each not in taken), "")
            taken.add(letter)
            told.append(Place(way.entry.name, way.url, way.entry.icon, "page", group, letter))
    return told


def _kinds() -> list[Place]:
    return [
        Place(each.name, reverse("submit", args=[each.name]), "plus", each.summary, "submit new job")
        for each in kinds.kinds()
    ]
