"""Huey on Redis, without results."""

import pickle

import control
import counting
from huey import RedisHuey
from redis_lists import OnRedis

huey = RedisHuey("peers", url=control.BROKER, results=False)


@huey.task()
def noop():
    counting.count()


@huey.task()
def compute():
    counting.compute()


class App(OnRedis):
    """A list; what was taken is nowhere."""

    queue = huey.storage.queue_key

    def submit(self, kind):
        """As an application does."""
        {"noop": noop, "compute": compute}[kind]()

    def identity(self, message):
        """The task's id."""
        return pickle.loads(message).id.encode()
