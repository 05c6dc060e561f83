"""What would fail later is said at the start."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.core.management import CommandError, call_command

from jobs_app import checks


def test_a_good_configuration_passes(configured: Callable[..., None], tmp_path: Path) -> None:
    configured(data_dir=tmp_path / "not" / "yet", queues=("default", "slow"))
    assert checks.queues_of_kinds() == checks.data_directory() == []


def test_a_kind_whose_queue_nobody_serves_is_an_error(configured: Callable[..., None]) -> None:
    configured(queues=("other",))
    found = {message.msg: message for message in checks.queues_of_kinds()}
    message = found["kind system.echo uses queue 'default', which is not in QUEUES (other)"]
    assert (message.id, message.level) == ("weir.E001", django_checks.ERROR)
    assert "Add the queue" in (message.hint or "")


def test_a_file_where_the_data_directory_should_be_is_an_error(configured: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        configured(data_dir=directory)
        (message,) = checks.data_directory()
        assert (message.id, message.level) == ("weir.E002", django_checks.ERROR)
        assert str(directory) in message.msg


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_directory_that_may_not_be_written_is_an_error(configured: Callable[..., None], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    configured(data_dir=tmp_path)
    assert [message.id for message in checks.data_directory()] == ["weir.E002"]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("redis://127.0.0.1:6379/0", True),
        ("amqp://localhost//", True),
        ("redis://:password@127.0.0.1:6379/0", False),
        ("amqp://user:password@localhost//", False),
        ("sqs://", False),
    ],
)
def test_a_broker_without_a_password_is_a_warning(configured: Callable[..., None], url: str, warned: bool) -> None:
    configured(broker_url=url)
    assert [message.id for message in checks.broker_password()] == (["weir.W001"] if warned else [])


def test_the_checks_are_djangos(db: None, configured: Callable[..., None]) -> None:
    call_command("check", stdout=StringIO())
    configured(queues=("other",))
    with pytest.raises(CommandError, match=r"weir\.E001"):
        call_command("check", stdout=StringIO(), stderr=StringIO())
