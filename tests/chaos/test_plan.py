"""A seed stands for one plan, and every fault is somewhere in it."""

from __future__ import annotations

import pytest

from tests.chaos import plan
from tests.chaos.broker_faults import BrokerFaults
from tests.chaos.database_faults import DatabaseFaults
from tests.chaos.process_faults import ProcessFaults

GIVEN = {"seconds": 60.0, "jobs": 500, "database": "sqlite", "broker": "valkey", "lease": 5.0}


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan.make(7, **GIVEN) == plan.make(7, **GIVEN)
    assert plan.make(7, **GIVEN).faults != plan.make(8, **GIVEN).faults
    assert plan.make(7, **GIVEN).orders != plan.make(8, **GIVEN).orders


def test_a_plan_is_bounded_and_in_order() -> None:
    made = plan.make(7, **GIVEN)
    times = [fault.at for fault in made.faults]
    assert times == sorted(times)
    assert plan.CALM <= times[0] <= times[-1] < 60
    assert len({order.key for order in made.orders}) == len(made.orders) == 500
    assert {order.kind for order in made.orders} == set(plan.KINDS)


def test_atomic_jobs_are_long_enough_to_be_frozen_where_others_can_write_meanwhile() -> None:
    for database, there in (("postgresql", True), ("sqlite", False)):
        made = plan.make(7, **{**GIVEN, "database": database})
        atomic = [order.parameters["seconds"] for order in made.orders if order.kind == "chaos.atomic"]
        assert any(seconds >= plan.LONG for seconds in atomic) == there


def test_who_is_to_speak_up_again_is_frozen_first() -> None:
    assert [plan.make(seed, **GIVEN).faults[0].name for seed in range(5)] == [plan.FIRST] * 5


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("broker", ["valkey", "rabbitmq", "sqs"])
def test_a_minute_meets_every_fault_of_its_combination(database: str, broker: str) -> None:
    made = plan.make(7, **{**GIVEN, "database": database, "broker": broker})
    wanted = set(plan.FAULTS) | set(plan.FAULTS_OF[database]) | set(plan.FAULTS_OF[broker])
    assert {fault.name for fault in made.faults} == wanted
    assert wanted <= {*ProcessFaults.deeds, *BrokerFaults.deeds, *DatabaseFaults.deeds}
