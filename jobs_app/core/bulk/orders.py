"""What is to be done to which jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs_app import searching
from jobs_app.core import access, control
from jobs_app.errors import InvalidRequest
from jobs_app.models import Job
from jobs_app.models.job import JobQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KIND = "jobs.bulk"
IDS = 1000
"""The longest list of ids; more are told by a search."""


class Action(StrEnum):
    """What may be done to many jobs. ``words`` begin a sentence, ``verb`` stands on a button."""

    words: str

    def __new__(cls, value: str, words: str = "") -> Action:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    CANCEL = "cancel", "Cancel"
    RETRY = "retry", "Retry"
    RERUN = "rerun", "Run again"
    REPRIORITISE = "reprioritise", "Change the priority of"


@dataclass(frozen=True)
class Order:
    """One bulk action.

    query: a search (``searching``); or ids: at most 1,000 jobs. Not both.
    as_of: only jobs that existed then, by the database's time; default when the order was submitted.
    priority: the new one, for ``reprioritise``. expected: how many jobs whoever asked was shown.
    """

    action: Action
    query: str = ""
    ids: tuple[UUID, ...] = ()
    as_of: datetime | None = None
    priority: int | None = None
    expected: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Order:
        """From the parameters of the kind, or what a surface has parsed. Raises InvalidRequest."""
        try:
            action = Action(given["action"])
        except ValueError:
            raise InvalidRequest(
                f"expected an action ({', '.join(Action)}), got {str(given['action'])[:40]!r}"
            ) from None
        ids = tuple(dict.fromkeys(given.get("ids") or ()))
        rest = {name: value for name, value in given.items() if name not in {"action", "ids"}}
        order = cls(action, ids=ids, **rest)
        order.check()
        return order

    def check(self) -> None:
        """Raise InvalidRequest for what cannot be carried out."""
        if bool(self.query.strip()) == bool(self.ids):
            raise InvalidRequest("expected either a search that says which jobs, or a list of ids, and not both")
        if len(self.ids) > IDS:
            raise InvalidRequest(f"expected at most {IDS:,} ids, got {len(self.ids):,}; say which jobs by a search")
        searching.parse(self.query)
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise InvalidRequest(f"expected as_of with a time zone, got {self.as_of.isoformat()}")
        if self.action is not Action.REPRIORITISE:
            if self.priority is not None:
                raise InvalidRequest(f"expected no priority for {self.action}: it goes with {Action.REPRIORITISE}")
        elif self.priority is None:
            raise InvalidRequest("expected the new priority, from -100 to 100, got none")
        else:
            control.check_priority(self.priority)

    def parameters(self) -> dict[str, Any]:
        """As the kind takes it."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**given, "action": self.action.value, "ids": list(self.ids)}

    @property
    def which(self) -> str:
        """Which jobs, in words."""
        if self.ids:
            return "1 chosen job" if len(self.ids) == 1 else f"{len(self.ids):,} chosen jobs"
        return searching.text_of(searching.parse(self.query)) or "every job"

    @property
    def whole(self) -> bool:
        """Whether its search leaves nothing out."""
        return not self.ids and not searching.text_of(searching.parse(self.query))

    def rows(self, user: User | None, *, as_of: datetime) -> JobQuerySet:
        """The jobs that are meant, of those that ``user`` may see. ``may_act``: whether they may act on it too."""
        if self.ids:
            rows = Job.objects.visible_to(user).filter(id__in=self.ids)
        else:
            rows = access.sought(user, searching.parse(self.query).at(as_of))
        return rows.filter(created_at__lte=as_of).telling_rights(user)
