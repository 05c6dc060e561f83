"""Dramatiq on Redis: a list of ids, and a hash of messages that are kept until they are acknowledged."""

import uuid

import control
import counting
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis_lists import OnRedis

dramatiq.set_broker(RedisBroker(url=control.BROKER))
IDS, MESSAGES = "dramatiq:default", "dramatiq:default.msgs"


@dramatiq.actor
def noop():
    counting.count()


@dramatiq.actor
def compute():
    counting.compute()


class App(OnRedis):
    """What is in the hash is not done."""

    queue = MESSAGES

    def load(self, kind, count):
        """Copies of one real message, each with an id of its own."""
        self.submit(kind)
        name = self.redis.rpop(IDS)
        message = self.redis.hget(MESSAGES, name)
        self.redis.hdel(MESSAGES, name)
        for size in control.batches(count):
            names = [str(uuid.uuid4()) for _ in range(size)]
            copies = {each: message.replace(name, each.encode()) for each in names}
            self.redis.hset(MESSAGES, mapping=copies)
            self.redis.rpush(IDS, *names)

    def submit(self, kind):
        """As an application does."""
        {"noop": noop, "compute": compute}[kind].send()
