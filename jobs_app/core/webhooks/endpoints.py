"""Endpoints: make one, change it, give it another secret, remove it. Everyone has their own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from pydantic import ValidationError

from jobs_app import registry, wire
from jobs_app.core import audit, sealing
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound, in_words
from jobs_app.lifecycle import FINAL
from jobs_app.models import Endpoint
from jobs_app.models.guard import writing
from jobs_app.models.job import SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 20
"""Endpoints of one user."""

SECRET_BYTES = 32
KINDS = 50


@dataclass(frozen=True)
class Wanted:
    """What an endpoint is to be. states: final ones; none means all. kinds: none means all."""

    name: str
    url: str
    kinds: Sequence[str] = ()
    states: Sequence[str] = ()
    named_only: bool = False
    everybody: bool = False
    enabled: bool = True


def make(owner: User, wanted: Wanted, *, now: datetime) -> tuple[Endpoint, str]:
    """Make one; returns its row and its signing secret, which is shown this once.

    Raises InvalidRequest, NotAllowed (of everybody's jobs, without the permission to see them), Conflict (the name).
    """
    subject = f"webhook {wanted.name}"
    with audit.refusals(owner, "webhook.make", subject, now=now), _name_is_taken():
        columns = _checked(owner, wanted)
        if Endpoint.objects.filter(owner=owner).count() >= MOST:
            raise Conflict(f"expected at most {MOST} endpoints, and you have as many; remove one first")
        secret = _new_secret()
        with transaction.atomic(), writing():
            row = Endpoint.objects.create(owner=owner, sealed=sealing.seal(secret), created_at=now, **columns)
            audit.record(owner, "webhook.make", subject, now=now, after=columns)
    return row, secret


def change(owner: User, endpoint_id: int, wanted: Wanted, *, now: datetime) -> Endpoint:
    """Change all but the secret. Raises as ``make`` does, and NotFound."""
    row = own(owner, endpoint_id)
    with audit.refusals(owner, "webhook.change", f"webhook {row.name}", now=now), _name_is_taken():
        columns = _checked(owner, wanted)
        before = {name: getattr(row, name) for name in columns}
        with transaction.atomic(), writing():
            Endpoint.objects.filter(pk=row.pk).update(**columns)
            audit.record(owner, "webhook.change", f"webhook {row.name}", now=now, before=before, after=columns)
    return own(owner, endpoint_id)


def switch(owner: User, endpoint_id: int, *, enabled: bool, now: datetime) -> Endpoint:
    """Switch it on or off, whatever else is wrong with it. Twice is no error. Raises NotFound."""
    row = own(owner, endpoint_id)
    with transaction.atomic(), writing():
        if Endpoint.objects.filter(pk=row.pk, enabled=not enabled).update(enabled=enabled):
            before, after = {"enabled": not enabled}, {"enabled": enabled}
            audit.record(owner, "webhook.change", f"webhook {row.name}", now=now, before=before, after=after)
    return own(owner, endpoint_id)


def renew(owner: User, endpoint_id: int, *, now: datetime) -> tuple[Endpoint, str]:
    """Give it another secret, in force at once; what is under way is signed with the old one. Raises NotFound."""
    row, secret = own(owner, endpoint_id), _new_secret()
    with transaction.atomic(), writing():
        Endpoint.objects.filter(pk=row.pk).update(sealed=sealing.seal(secret))
        audit.record(owner, "webhook.renew", f"webhook {row.name}", now=now)
    return row, secret


def remove(owner: User, endpoint_id: int, *, now: datetime) -> None:
    """Remove it, and its log. Raises NotFound."""
    row = own(owner, endpoint_id)
    with transaction.atomic(), writing():
        row.delete()
        audit.record(owner, "webhook.remove", f"webhook {row.name}", now=now, before={"url": row.url})


def own(owner: User, endpoint_id: int) -> Endpoint:
    """One of this user's own. Raises NotFound."""
    row = Endpoint.objects.filter(owner=owner, pk=endpoint_id).first()
    if row is None:
        raise NotFound(f"expected a webhook of yours, got {endpoint_id}")
    return row


def _checked(owner: User, wanted: Wanted) -> dict[str, object]:
    name = wanted.name.strip()
    if not 1 <= len(name) <= 50 or not name.isprintable():
        raise InvalidRequest("expected a name of 1 to 50 printable characters")
    kinds = sorted(set(wanted.kinds))
    unknown = [each for each in kinds if registry.find(each) is None]
    if unknown or len(kinds) > KINDS:
        raise InvalidRequest(f"expected at most {KINDS} kinds that there are, got {', '.join(unknown)[:200] or 'more'}")
    states = sorted(set(wanted.states)) or sorted(FINAL)
    if set(states) - FINAL:
        raise InvalidRequest(f"expected final states ({', '.join(sorted(FINAL))}), got {', '.join(states)[:200]}")
    if wanted.everybody and not owner.has_perm(SEE_ALL):
        raise NotAllowed("expected the permission to see the jobs of every user, to be told of them")
    _check_url(wanted.url)
    return {**asdict(wanted), "name": name, "kinds": kinds, "states": states}


def _check_url(url: str) -> None:
    """By the rules of the kind that delivers. Where the name leads to is asked at each delivery."""
    try:
        registry.get(wire.DELIVER).parameters.model_validate({"url": url, "event": "job.succeeded"})
    except ValidationError as error:
        raise InvalidRequest(f"url: {in_words(error.errors()[0])}") from None


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@contextmanager
def _name_is_taken() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise Conflict("expected another name: you have a webhook of this name") from None
