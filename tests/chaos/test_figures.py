"""What chaos counts: messages of our own are no excess, and hide none."""

from __future__ import annotations

import pytest

from tests.chaos.depths import Samples, Sending
from tests.chaos.figures import excess

WINDOW = 100


@pytest.mark.parametrize(
    ("depths", "sent", "found"),
    [
        pytest.param([(1, 100)], [], None, id="a full window"),
        pytest.param([(1, 101)], [], (101, 100), id="one too many"),
        pytest.param([(3, 220)], [Sending(120, 1, 2)], None, id="ours are allowed"),
        pytest.param([(3, 221)], [Sending(120, 1, 2)], (221, 220), id="one more than ours"),
        pytest.param([(1, 147)], [Sending(120, 2, 3)], (147, 100), id="ours came after the look"),
        pytest.param([(3, 0), (4, 147)], [Sending(120, 1, 2)], (147, 100), id="ours were gone before"),
        pytest.param([(2, 0), (4, 147)], [Sending(120, 1, 3)], None, id="empty while we were sending"),
        pytest.param([(2, 0), (4, 147)], [Sending(120, 1)], None, id="empty, and still sending"),
    ],
)
def test_only_what_nobody_sent_is_an_excess(depths: Samples, sent: list[Sending], found: object) -> None:
    assert excess(depths, sent, WINDOW) == found
