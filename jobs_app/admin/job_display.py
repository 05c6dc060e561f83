"""What the admin shows of a job: the columns of the list and the fields of its page."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from jobs_app.admin import presentation
from jobs_app.core import access
from jobs_app.models import Job
from jobs_app.reads import jobs
from jobs_app.reads.views import ANYONE, JobView, hidden


class JobDisplay:
    """One method a column or a field."""

    @display(description="Job", header=True)
    def kind_and_id(self, job: Job) -> list[str]:
        """Kind, and under it the id."""
        return [job.kind, str(job.id)]

    @display(description="State", label=presentation.COLOURS)
    def state_label(self, job: Job) -> str:
        """The state, coloured."""
        return job.state

    @display(description="State")
    def state_in_words(self, job: Job) -> str:
        """The state, coloured, with its meaning."""
        return format_html("{} &ensp;{}", presentation.label(job.state), job.status.meaning)

    @display(description="Progress")
    def progress_shown(self, job: Job) -> str:
        """How far, and the handler's last word on it."""
        return f"{job.progress:.0%} {job.progress_message if _seen(job) else ''}".strip()

    @display(description="Attempts")
    def attempts_shown(self, job: Job) -> str:
        """How many there were, how many failed, how many may."""
        return f"{job.attempt} so far; {job.failures} of {job.max_attempts} used up"

    @display(description="Created")
    def created(self, job: Job) -> str:
        """When it was submitted."""
        return presentation.moment(job.created_at)

    @display(description="Due")
    def due(self, job: Job) -> str:
        """Not before this time."""
        return presentation.moment(job.due_at)

    @display(description="Expires")
    def expires(self, job: Job) -> str:
        """Not started by then, it fails."""
        return presentation.moment(job.expires_at)

    @display(description="Started")
    def started(self, job: Job) -> str:
        """First claim."""
        return presentation.moment(job.started_at)

    @display(description="Finished")
    def finished(self, job: Job) -> str:
        """When it became final."""
        return presentation.moment(job.finished_at)

    @display(description="Took")
    def took(self, job: Job) -> str:
        """From the first claim to the end, waits between attempts included."""
        if job.started_at is None or job.finished_at is None:
            return "-"
        return presentation.duration(job.finished_at - job.started_at)

    @display(description="Timeout of an attempt")
    def timeout_shown(self, job: Job) -> str:
        """Soft and hard."""
        return f"{presentation.duration(job.timeout)}; by force after {presentation.duration(job.hard_timeout)}"

    @display(description="Cancel asked for")
    def cancel_requested(self, job: Job) -> str:
        """When somebody asked."""
        return presentation.moment(job.cancel_requested_at)

    @display(description="Parameters")
    def parameters_shown(self, job: Job) -> str:
        """As validated, secrets starred out; the sealed ones are never read here."""
        return presentation.as_json(job.parameters) if _seen(job) else hidden(job.kind)

    @display(description="Result")
    def result_shown(self, job: Job) -> str:
        """What the handler returned, or where a large one lies."""
        if not _seen(job):
            return hidden(job.kind)
        if job.result is None and job.result_bytes > len("null"):
            return f"{presentation.size(job.result_bytes)}, kept as an artifact"
        return presentation.as_json(job.result)

    @display(description="Error")
    def error_shown(self, job: Job) -> str:
        """Why it failed, in words; the traceback of each attempt is under Attempts."""
        told = job.error if _seen(job) else ""
        if not (told or job.error_type):
            return "-"
        text = ": ".join(filter(None, (job.error_type, told)))
        return format_html('<div class="weir-block">{}</div>', text)

    @display(description="Runs again")
    def rerun_of_link(self, job: Job) -> str:
        """The job this one runs again."""
        return presentation.link("job", job.rerun_of_id, job.rerun_of_id) if job.rerun_of_id else "-"

    @display(description="Spawned by")
    def parent_link(self, job: Job) -> str:
        """Its parent."""
        return presentation.link("job", job.parent_id, job.parent_id) if job.parent_id else "-"

    @display(description="Spawned jobs")
    def children_shown(self, job: Job) -> str:
        """How many there are, how they stand, and a list of them."""
        family = jobs.family(JobView.of(job))
        if family is None:
            return "-"
        counts = {"wait": family.waiting, "run": family.running, "succeeded": family.succeeded}
        counts |= {"failed": family.failed, "cancelled": family.cancelled}
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        address = f"{reverse('admin:jobs_app_job_changelist')}?parent__id__exact={job.id}"
        return format_html('<a href="{}">{}</a>: {}', address, family.total, told)

    @display(description="Preview")
    def preview_shown(self, job: Job) -> str:
        """What its kind showed when it was submitted."""
        return presentation.as_json(job.preview) if _seen(job) else hidden(job.kind)


def _seen(job: Job) -> bool:
    """Whether whoever looks may see the parameters, and what may repeat them. In lists that is anyone."""
    return access.sees_parameters(getattr(job, "viewer", ANYONE), job.kind, job.owner_id)
