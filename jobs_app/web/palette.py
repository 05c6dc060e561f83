"""The command palette: pages, kinds and jobs by the beginning of their id; and the letters that lead to pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs_app.reads import finding, kinds
from jobs_app.web import navigation, words
from jobs_app.web.pages import page, render, user_of


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
    """The jobs whose id begins as what was typed; 204 if there are none."""
    jobs = finding.by_id(user_of(request), request.GET.get("q", ""))
    if not jobs:
        return HttpResponse(status=204)
    places = [
        Place(f"{each.kind} {each.id}", reverse("job", args=[each.id]), "jobs", words.excerpt(each.parameters, 60))
        for each in jobs
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
