"""Fields for files: upload one, or choose one of your earlier uploads. Both work without JavaScript.

A file is stored as an artifact while the form is cleaned, so that it is not lost when another field is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from jobs_app import conf
from jobs_app.core import artifacts
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidParameters, NotFound, Refused, WeirError
from jobs_app.forms.fields import MISSING, Gathered, ListField
from jobs_app.forms.questions import Question
from jobs_app.reads import files as stored
from jobs_app.reads.views import ArtifactView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHOSEN = "-chosen"
"""Suffix of the input that holds the ids of files that are already uploaded."""


@dataclass(frozen=True)
class Given:
    """What came in for a file field: new files, and ids of earlier ones."""

    files: tuple[UploadedFile[Any], ...] = ()
    chosen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.chosen)


Option = tuple[str, str]


class FileWidget(forms.Widget):
    """A file input, and below it the files to choose from. ``several`` allows more than one."""

    template_name = "jobs_app/widgets/files.html"
    needs_multipart_form = True
    options: Callable[[tuple[str, ...]], list[Option]]

    def __init__(self, *, several: bool, accept: str = "") -> None:
        super().__init__()
        self.several = several
        self.accept = accept
        self.options = lambda chosen: []
        self.use_fieldset = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Given:
        """New files and chosen ids, from the two inputs."""
        sent = files.getlist(name) if hasattr(files, "getlist") else [each for each in [files.get(name)] if each]
        chosen = data.getlist(name + CHOSEN) if hasattr(data, "getlist") else _as_list(data.get(name + CHOSEN))
        return Given(tuple(sent), tuple(each for each in chosen if each))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Neither input came."""
        return name not in files and name + CHOSEN not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """The widget's values beside Django's own: what to offer, what is chosen."""
        context = super().get_context(name, None, attrs)
        chosen = value.chosen if isinstance(value, Given) else tuple(_as_list(value))
        offered = self.options(chosen)
        context["widget"].update(
            several=self.several,
            invalid="aria-invalid" in context["widget"]["attrs"],
            accept=self.accept,
            chosen_name=name + CHOSEN,
            chosen=chosen,
            options=offered,
            limit=conf.current().upload_bytes,
            limit_words=filesizeformat(conf.current().upload_bytes),
            must_upload=bool(context["widget"]["attrs"].pop("required", False)) and not offered,
        )
        return context


class BaseFileField(Gathered):
    """The base. ``owner`` is who uploads; the form sets it. ``kept``: the ids of all files given, once cleaned.
    ``refused``: that there was no room for a file now, with a time to come back."""

    owner: User | None = None
    refused: Refused | None = None
    kept: list[str]
    widget: FileWidget

    def clean(self, value: Any) -> Any:
        """Upload what came. The id of the file, or a list of ids."""
        self.kept = list(value.chosen)
        if value:
            return self.answer(value)
        if self.required:
            raise ValidationError(MISSING.replace("a value", "a file"), code="required")
        return self.blank()

    def store(self, given: Given) -> list[str]:
        """Upload what came; returns the ids of all files given, chosen ones first. Raises ValidationError in words."""
        for file in given.files:
            try:
                row = artifacts.take_upload(
                    file.name or "", file.chunks(), owner=self.owner, content_type=file.content_type or "",
                    now=database_now(),
                )  # fmt: skip
            except InvalidParameters as error:
                raise ValidationError([problem.message for problem in error.problems]) from error
            except WeirError as error:
                self.refused = error if isinstance(error, Refused) else None
                raise ValidationError(f"{file.name}: {error}") from error
            self.kept.append(str(row.id))
        return self.kept

    def offer(self, chosen: Iterable[str]) -> list[Option]:
        """The files to choose from: the owner's latest uploads, and whatever is chosen now."""
        known = {str(each.id): each for each in stored.uploads(self.owner)}
        for each in chosen:
            if each not in known and self.owner is not None and (found := _find(self.owner, each)) is not None:
                known = {each: found, **known}
        return [(key, _described(each)) for key, each in known.items()]


class FileField(BaseFileField):
    """One file. A new upload wins over a chosen one."""

    def answer(self, value: Any) -> Any:
        self.kept = self.store(value)[-1:]
        return self.kept[0]


class FilesField(BaseFileField, ListField):
    """Several files: the chosen ones, then the new ones in the order of the upload."""

    def answer(self, value: Any) -> Any:
        return list(self.store(value))


def file_field(question: Question, *, several: bool) -> Gathered:
    """The field for an ``Artifact``, or for a list of them."""
    schema = question.schema["items"] if several else question.schema
    widget = FileWidget(several=several, accept=str(question.schema.get("accept", schema.get("accept", ""))))
    return (FilesField if several else FileField)(question, widget=widget)


def _described(file: ArtifactView) -> str:
    """Name, size and time: the same file may have been uploaded more than once."""
    local = timezone.localtime(file.created_at)
    return f"{file.name} · {filesizeformat(file.size)} · {local.day} {local:%b %H:%M}"


def _find(owner: User, text: str) -> Any:
    try:
        return stored.artifact(owner, UUID(text[:64])).artifact
    except (ValueError, NotFound):
        return None


def _as_list(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]
