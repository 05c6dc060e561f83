"""A network between a program and a server, on loopback, that can be broken in the ways networks break.

The program is given the relay's port for good; the relay passes bytes on to the server until it is told otherwise.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from jobs_app.platform.ports import HOST, Reservation

BLOCK = 65_536
FILLERS = 16
"""Connections that fill a listener's backlog of one; the kernel rounds it up a little."""


class _Pair:
    """One connection and its continuation. A deaf pair reads what comes, throws it away, and knows that it did."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.deaf = self.swallowed = False
        self.ends = (near, far)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def drop(self) -> None:
        for each in self.ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(BLOCK):
                if self.deaf:
                    self.swallowed = True
                else:
                    sink.sendall(block)
        if not self.deaf:  # the end of a connection that nobody hears of is not told either
            self.drop()


class Relay:
    """Passes connections to ``target`` on. Each fault lasts until ``mend``."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._reservation = Reservation(0)
        self.port = self._reservation.port
        self._pairs: list[_Pair] = []
        self._fillers: list[socket.socket] = []
        self._listen(backlog=64)

    def at(self, url: str) -> str:
        """The same URL, with the relay's address."""
        parts = urlsplit(url)
        account, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{account}{at}{HOST}:{self.port}").geturl()

    def refuse(self) -> None:
        """Drop every connection, and listen no more: as a server that was ended."""
        self._deafen()
        self._drop_all()

    def half_open(self) -> int:
        """Swallow what comes over the connections that are open, both ways; new ones work: as a lost route.

        Returns how many are swallowed.
        """
        for pair in self._pairs:
            pair.deaf, pair.swallowed = True, False
        return len(self._pairs)

    @property
    def swallowed(self) -> bool:
        """Whether somebody has spoken over a connection that is half-open."""
        return any(pair.swallowed for pair in self._pairs)

    def black_hole(self) -> None:
        """Swallow what comes over open connections, and let new ones hang: nobody answers their first packet."""
        self.half_open()
        self._deafen()
        self._listener = self._bound()
        self._listener.listen(0)
        for _ in range(FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((HOST, self.port))
            self._fillers.append(filler)

    def mend(self) -> None:
        """Work again. What a fault made deaf stays so until its program gives it up, as on a real network."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._deafen()
        self._listen(backlog=64)

    def close(self) -> None:
        """End for good."""
        self.refuse()
        self._reservation.close()

    def _bound(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((HOST, self.port))
        return listener

    def _listen(self, backlog: int) -> None:
        self._listener = self._bound()
        self._listener.listen(backlog)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _deafen(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._listener.close()

    def _drop_all(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.drop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._pairs.append(_Pair(near, far))
