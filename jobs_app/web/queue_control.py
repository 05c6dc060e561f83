"""What people do to a queue from its page: pause it, let it go on, change its bounds."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from jobs_app.core import clock, lane_control
from jobs_app.errors import Conflict, InvalidRequest, WeirError
from jobs_app.forms.bounds import BoundsForm
from jobs_app.reads import lanes
from jobs_app.reads.lanes import LaneView
from jobs_app.web import queue_limits, queues
from jobs_app.web.pages import is_fragment, page, render, user_of

UNFIT = "Nothing was changed: what does not fit is said beside it."


@page
@require_POST
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Put no more of its jobs on the broker."""
    lane_control.pause(name, user_of(request), clock.database_now())
    messages.success(request, f"Queue {name} is paused. What is on the broker already still runs; new jobs wait.")
    return redirect("queue", name=name)


@page
@require_POST
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Let it go on."""
    lane_control.resume(name, user_of(request), clock.database_now())
    messages.success(request, f"Queue {name} goes on.")
    return redirect("queue", name=name)


@page
@require_POST
def limits(request: HttpRequest, name: str) -> HttpResponse:
    """Change its bounds; what does not fit is told beside its field, and all that was typed stays."""
    user, before = user_of(request), lanes.lane(name)
    form = BoundsForm(before.model_dump(), request.POST)
    valid = form.is_valid()
    if not valid and lane_control.may_control(user):
        return _again(request, before, form, InvalidRequest(UNFIT))
    try:
        wanted = form.changes() if valid else {}
        lane_control.set_limits(name, actor=user, now=clock.database_now(), seen=form.seen, **wanted)
    except (Conflict, InvalidRequest) as error:
        return _again(request, lanes.lane(name), form, error)
    after = lanes.lane(name)
    changed = queue_limits.changes(before, after)
    if is_fragment(request):
        context = {**queue_limits.parts(user, after), "saved": True, "changed": changed}
        return render(request, "queues/limits.html", context)
    told = "; ".join(f"{each.label}: {each.before} → {each.after}" for each in changed)
    messages.success(request, f"Changed. {told}." if changed else "Nothing was to be changed.")
    return redirect("queue", name=name)


def _again(request: HttpRequest, lane: LaneView, form: BoundsForm, error: WeirError) -> HttpResponse:
    """The form as it was filled in. Sent once more, it is about the bounds as they are now."""
    form.own = {name: getattr(lane, name) for name in form.own}
    words = f"{error.title}: {error}. Look at what holds now, and send it again if you still want it."
    fault = words if isinstance(error, Conflict) else str(error)
    limits = {**queue_limits.parts(user_of(request), lane, form), "fault": fault}
    if not is_fragment(request):
        return queues.whole(request, lane.name, limits=limits, status=error.status)
    response = render(request, "queues/limits.html", limits, status=error.status)
    response["HX-Retarget"] = "#limits"  # page.js shows what comes with it, whatever its status
    return response
