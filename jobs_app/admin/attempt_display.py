"""How an attempt is shown in the admin: in its list, on its page, and among a job's attempts."""

from __future__ import annotations

from unfold.decorators import display

from jobs_app.admin import presentation
from jobs_app.models import Attempt


class AttemptDisplay:
    """Columns of an attempt, for a ModelAdmin or an inline."""

    @display(description="Outcome")
    def outcome_label(self, attempt: Attempt) -> str:
        """How it ended."""
        return presentation.label(attempt.outcome)

    @display(description="Started")
    def started(self, attempt: Attempt) -> str:
        """When it was claimed."""
        return presentation.moment(attempt.started_at)

    @display(description="Took")
    def took(self, attempt: Attempt) -> str:
        """How long it ran."""
        return presentation.duration(attempt.finished_at - attempt.started_at if attempt.finished_at else None)

    @display(description="Traceback")
    def traceback_shown(self, attempt: Attempt) -> str:
        """Where the handler failed."""
        return presentation.traceback(attempt.traceback)
