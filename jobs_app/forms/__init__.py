"""Forms generated from kinds: what pages and the admin show, and what they read back.

    form = form_for(kind)(request.POST, request.FILES, user=request.user)
    if form.is_valid():
        try:
            submission.accept(kind.name, form.parameters(), owner=request.user, options=options, now=now)
        except InvalidParameters as refused:
            form.take_problems(refused)

- ``form_for(kind)`` is a ``django.forms.Form`` class, one field a parameter; nested models give fields of their own,
  named by their path (``options-width``). Construct it as any form, with ``user=``: the owner of uploads, and whose
  earlier uploads are offered.
- A form only gathers. It refuses what it cannot read (a required field left blank, broken JSON, a file that is too
  large); whether values fit the kind is said by ``core.submission``. All other values go there as they were typed.
- ``form.parameters()`` gives JSON-ready parameters. Files are uploaded while the form is cleaned, and stay uploaded
  (and chosen) when another field is at fault.
- ``form.take_problems(error)`` puts each problem of an ``InvalidParameters`` at its field.
- ``form_for(kind).initial_from(parameters)`` turns a job's stored parameters into ``initial=`` for a form. Secrets come
  as ``MASK``; for a mask that comes back unchanged, ``control.rerun`` takes the old secret.
- To draw it: iterate over ``form.parts()`` (fields and groups in order), or let Django draw the flat form.
  Put ``enctype="multipart/form-data"`` on the form when ``form.is_multipart()``.
"""

from __future__ import annotations

from functools import cache

from django.forms import Field

from jobs_app.forms.base import KindForm, Part
from jobs_app.forms.building import field_for, switch_for
from jobs_app.forms.questions import Group, Question, questions_of
from jobs_app.registry import Kind

__all__ = ["KindForm", "Part", "form_for"]


@cache
def form_for(kind: Kind) -> type[KindForm]:
    """The form class of a kind."""
    root = questions_of(kind.parameters)
    name = "".join(word.title() for word in kind.name.replace("_", ".").split("."))
    made: type[KindForm] = type(f"{name}Form", (KindForm,), dict(_fields(root)))
    # Set afterwards: a parameter may be called "kind" too.
    made.kind, made.root = kind, root
    return made


def _fields(group: Group, *, optional: bool = False) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    if group.optional:
        fields[group.switch] = switch_for(group)
    optional = optional or group.optional
    for part in group.parts:
        if isinstance(part, Question):
            fields[part.name] = field_for(part, optional=optional)
        else:
            fields.update(_fields(part, optional=optional))
    return fields
