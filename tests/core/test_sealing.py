"""Secrets in the ledger: opened by the keys in force, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs_app.core import control, sealing
from jobs_app.core.sealing import Unsealable
from tests.support.ledger import fresh, submitted

VALUE = {"token": "hunter2hunter2", "list": [1, None, "é"], "deep": {"b": True}}
OLD, NEW, OTHER = ("o" * 40, "n" * 40, "x" * 40)


def test_what_is_sealed_is_opened_again() -> None:
    sealed = sealing.seal(VALUE)
    assert sealing.unseal(sealed) == VALUE
    assert sealing.unseal(memoryview(sealed)) == VALUE, "as a database gives it back"
    assert b"hunter2" not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    assert sealing.seal(VALUE) != sealing.seal(VALUE)


def test_a_key_can_be_changed_while_jobs_wait(configured: Callable[..., None]) -> None:
    configured(secret_key=OLD)
    sealed = sealing.seal(VALUE)
    configured(secret_key=NEW, secret_key_fallbacks=(OTHER, OLD))
    assert sealing.unseal(sealed) == VALUE
    newly = sealing.seal(VALUE)
    configured(secret_key=NEW, secret_key_fallbacks=())
    assert sealing.unseal(newly) == VALUE, "the newest key seals"


def test_without_its_key_nothing_is_opened(configured: Callable[..., None]) -> None:
    configured(secret_key=OLD)
    sealed = sealing.seal(VALUE)
    configured(secret_key=NEW, secret_key_fallbacks=(OTHER,))
    with pytest.raises(Unsealable, match="expected SECRET_KEY, or one of SECRET_KEY_FALLBACKS") as caught:
        sealing.unseal(sealed)
    assert caught.value.__cause__ is None, "no traceback of another library"


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-1], lambda text: b"", lambda text: text[:40] + b"A" + text[40:]]
)
def test_what_was_changed_is_not_opened(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Unsealable):
        sealing.unseal(damage(sealing.seal(VALUE)))


def test_a_waiting_job_survives_the_change_of_the_key(db: None, configured: Callable[..., None]) -> None:
    configured(secret_key=OLD)
    job = fresh(submitted("probe.secretive", {"token": "hunter2hunter2"}))
    configured(secret_key=NEW, secret_key_fallbacks=(OLD,))
    assert control.original_parameters(job) == {"token": "hunter2hunter2"}
