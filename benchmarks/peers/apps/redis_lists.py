"""What the peers on Redis share: jobs that wait are entries of a list."""

import uuid

import control
import redis


class OnRedis(control.Base):
    """A peer whose queue is a list of messages; the first message is made by the peer itself, the others are copies."""

    queue = ""
    """The key of the list."""
    held = ()
    """Keys of hashes, sets and streams that hold what was taken and is not done."""

    def __init__(self):
        self.redis = redis.Redis.from_url(control.BROKER)
        self._models = {}

    def clear(self):
        """Forget everything."""
        self.redis.flushdb()

    def load(self, kind, count):
        """Copies of one real message, each with an id of its own."""
        if kind not in self._models:  # of the first load, while no worker is there to take it
            self.submit(kind)
            self._models[kind] = self.redis.lpop(self.queue)
        message = self._models[kind]
        name = self.identity(message)
        for size in control.batches(count):
            copies = [message.replace(name, str(uuid.uuid4()).encode()) for _ in range(size)]
            self.redis.lpush(self.queue, *copies)

    def identity(self, message):
        """The id in a message."""
        raise NotImplementedError

    def remaining(self):
        """What waits, and what was taken and is not done."""
        sizes = {
            b"hash": self.redis.hlen,
            b"zset": self.redis.zcard,
            b"set": self.redis.scard,
            b"list": self.redis.llen,
        }
        kinds = {key: self.redis.type(key) for key in (self.queue, *self.held)}
        return sum(sizes[kind](key) for key, kind in kinds.items() if kind in sizes)
