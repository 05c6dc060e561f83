"""Submitting a job from the admin: choose a kind, fill in its form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import FormView, TemplateView
from unfold import widgets
from unfold.views import UnfoldModelAdminViewMixin

from jobs_app import registry
from jobs_app.admin import presentation
from jobs_app.admin.base import user_of
from jobs_app.admin.job_actions import SUBMIT
from jobs_app.core import submission
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidParameters, UnknownKind, WeirError
from jobs_app.forms import KindForm, form_for
from jobs_app.lifecycle import Via
from jobs_app.reads import kinds

STYLES: tuple[tuple[type[forms.Widget], list[str]], ...] = (
    (forms.CheckboxInput, widgets.CHECKBOX_CLASSES),
    (forms.Select, widgets.SELECT_CLASSES),
    (forms.Textarea, widgets.TEXTAREA_CLASSES),
    (forms.widgets.Input, widgets.INPUT_CLASSES),
)


class KindsView(UnfoldModelAdminViewMixin, TemplateView):
    """The kinds to choose from."""

    title = "Submit a job"
    permission_required = SUBMIT
    template_name = "admin/jobs_app/job/kinds.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """The template's values; what the route passes is the package's own to add."""
        context.pop("model_admin", None)
        return super().get_context_data(kinds=kinds.offered(user_of(self.request)), **context)


class SubmitView(UnfoldModelAdminViewMixin, FormView):  # type: ignore[type-arg]
    """The form of one kind."""

    permission_required = SUBMIT
    template_name = "admin/jobs_app/job/submit.html"
    kind: registry.Kind

    def setup(self, request: HttpRequest, *args: Any, **parts: Any) -> None:
        """Find the kind that the address names."""
        super().setup(request, *args, **parts)
        try:
            self.kind = registry.get(parts["kind"])
        except UnknownKind as error:
            raise Http404(str(error)) from None

    @property
    def title(self) -> str:
        """The heading."""
        return f"Submit {self.kind.name}"

    def get_form_class(self) -> type[KindForm]:
        """Generated from the kind's signature."""
        return form_for(self.kind)

    def get_form_kwargs(self) -> dict[str, Any]:
        """The user, whose files are offered and whose uploads are stored."""
        return {**super().get_form_kwargs(), "user": self.request.user}

    def get_form(self, form_class: type[KindForm] | None = None) -> KindForm:
        """The form, dressed as the admin's own."""
        form: KindForm = super().get_form(form_class)
        for field in form.fields.values():
            dress(field.widget)
        return form

    def form_valid(self, form: KindForm) -> HttpResponse:
        """Submit; what the core refuses is said at its field."""
        try:
            accepted = submission.accept(
                self.kind.name,
                form.parameters(),
                owner=user_of(self.request),
                options=submission.Options(via=Via.ADMIN),
                now=database_now(),
            )
        except InvalidParameters as refused:
            form.take_problems(refused)
            return self.form_invalid(form)
        except WeirError as refused:
            form.add_error(None, str(refused))
            return self.form_invalid(form)
        messages.success(self.request, f"Submitted {self.kind.name}.")
        return redirect("admin:jobs_app_job_change", accepted.job.id)

    def form_invalid(self, form: KindForm) -> HttpResponse:
        """The form again, with 422 so that programs see it too."""
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """The template's values."""
        about = [" ".join(part.split()) for part in self.kind.description.split("\n\n")]
        timeout = presentation.duration(self.kind.timeout)
        return super().get_context_data(kind=self.kind, about=about, timeout=timeout, **context)


def dress(widget: forms.Widget) -> None:
    """Give a plain widget the classes of the admin's own. Lists of radio buttons or check boxes stay plain."""
    for kind, classes in STYLES:
        if isinstance(widget, kind) and not isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
            widget.attrs["class"] = " ".join(classes)
            return
