"""The application's start-up: load the kinds, and tie what may not import each other."""

from __future__ import annotations

from django.apps import AppConfig


class JobsAppConfig(AppConfig):
    """Weir's Django application."""

    name = "jobs_app"
    verbose_name = "Jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load kinds (a bad declaration stops the start), register checks, give threads their work."""
        from jobs_app import checks, conf, desk, registry
        from jobs_app.core import desk as core_desk
        from jobs_app.core import dispatch, ends, logins, submission, tokens, transport
        from jobs_app.core.batches import submitting
        from jobs_app.core.webhooks import sending

        checks.register()
        logins.connect()
        registry.bind(submit=submission.submit, submit_many=submitting.submit_many)
        desk.bind(core_desk)
        registry.load(("tasks.kinds", *conf.current().kind_modules))
        tokens.known.watch()
        transport.publisher.work = dispatch.refill_now
        ends.teller.work = sending.tell_now
