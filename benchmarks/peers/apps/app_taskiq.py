"""Taskiq on a Redis list, without results."""

import asyncio
import json

import control
import counting
from redis_lists import OnRedis
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(control.BROKER)


@broker.task(task_name="noop")
async def noop():
    counting.count()


@broker.task(task_name="compute")
async def compute():
    counting.compute()


class App(OnRedis):
    """A list; what was taken is nowhere."""

    queue = broker.queue_name

    def __init__(self):
        super().__init__()
        self._run = asyncio.Runner().run
        self._run(broker.startup())

    def submit(self, kind):
        """As an application does."""
        self._run({"noop": noop, "compute": compute}[kind].kiq())

    def submit_for(self, kind, seconds):
        """In one loop, as an application of this kind has it."""
        return self._run(self._submit_for({"noop": noop, "compute": compute}[kind], seconds))

    async def _submit_for(self, task, seconds):
        loop, count = asyncio.get_running_loop(), 0
        end = loop.time() + seconds
        while loop.time() < end:
            await task.kiq()
            count += 1
        return count

    def identity(self, message):
        """The task's id."""
        return json.loads(message)["task_id"].encode()
