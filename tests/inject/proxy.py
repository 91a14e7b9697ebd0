"""A network that goes wrong: a TCP proxy between clients and a server of the tests. It passes bytes on, cuts every connection and takes
none, passes them on slowly, or keeps connections open over which nothing comes any more, as when the other side lost its power.
"""

import contextlib
import socket
import struct
import threading
import time

# Closing sends a reset, as when a connection breaks, instead of an orderly end.
RESET = struct.pack("ii", 1, 0)
CHUNK = 64 << 10


class Proxy:
    """Listens on a free port of this machine. `target` is (host, port) and may be set, or changed, later."""

    def __init__(self, target=None):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.lock = threading.Lock()
        self.links = set()
        self.away = False
        #: Seconds that each piece is held back, and bytes a second of each direction of a connection; 0 for no limit.
        self.delay, self.rate = 0.0, 0
        #: Connections that were broken, lost or refused, and pieces that came late.
        self.hits = 0
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def cut(self):
        """Breaks every connection, and takes none until healed."""
        self.away = True
        for link in self._all():
            self.hits += 1
            link.close()

    def slow(self, delay, rate):
        """Passes everything on late, and so many bytes a second."""
        self.delay, self.rate = delay, rate

    def lose(self):
        """Connections stay open and nothing passes over them again, not even their end; new ones are no better until healed."""
        self.away = True
        for link in self._all():
            self.hits += 1
            link.lost.set()

    def heal(self):
        """New connections are good again. What was lost stays lost: clients and server must notice by themselves."""
        self.delay, self.rate, self.away = 0.0, 0, False

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self._all():
            link.close()

    def _all(self):
        with self.lock:
            return list(self.links)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.away or self.target is None:
                    raise OSError("the network is away")
                server = socket.create_connection(self.target, timeout=5)
                server.settimeout(None)
            except OSError:
                self.hits += 1
                reset(client)
                continue
            link = Link(self, client, server)
            with self.lock:
                self.links.add(link)
            link.start()

    def gone(self, link):
        with self.lock:
            self.links.discard(link)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy, self.ends = proxy, (client, server)
        self.lost = threading.Event()
        for end in self.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self):
        client, server = self.ends
        for source, sink in [(client, server), (server, client)]:
            threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while not self.lost.is_set():
                piece = source.recv(CHUNK)
                if self.lost.is_set():
                    return
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if self.proxy.delay or self.proxy.rate:
                    self.proxy.hits += 1
                    time.sleep(self.proxy.delay + (len(piece) / self.proxy.rate if self.proxy.rate else 0))
                sink.sendall(piece)
        except OSError:
            self.close()

    def close(self):
        for end in self.ends:
            reset(end)
        self.proxy.gone(self)


def reset(connection):
    """Closes with a reset; wakes who reads from it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
