"""A proxy before a Postgres server, which cuts connections where it is told to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BYTES = 1 << 16


class Cut:
    """Cuts the next transaction that sends some words, at its end.

    With `after_commit` the server has done what it was asked, and only its answer is lost.
    """

    def __init__(self, words: str, *, after_commit: bool) -> None:
        self._words = words.encode()
        self.after_commit = after_commit
        self.done = threading.Event()
        self.on_cut: Callable[[], object] = lambda: None
        """done after a cut before the commit, when the client has not noticed yet"""
        self._transaction: socket.socket | None = None

    def is_due(self, client: socket.socket, sent: bytes) -> bool:
        if self._words in sent and self._transaction is None:
            self._transaction = client
        if self._transaction is not client or b"COMMIT" not in sent or self.done.is_set():
            return False
        self.done.set()
        return True


class CuttingProxy:
    """Passes on what is sent; `url` is the address of the database behind it."""

    def __init__(self, url: str) -> None:
        head, _, port_and_name = url.rpartition(":")
        port, _, name = port_and_name.partition("/")
        self._target = ("127.0.0.1", int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{head}:{self._listener.getsockname()[1]}/{name}"
        self.cut: Cut | None = None
        self.deaf = threading.Event()
        """while set, new connections are closed at once"""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_clients(self) -> None:
        """Cut all clients off; their server does not hear of it."""
        for client, _ in self._pairs:
            _shut(client)

    def cut_off(self) -> None:
        """Cut all connections, and let no new one through."""
        self.deaf.set()
        for pair in self._pairs:
            for end in pair:
                _shut(end)

    def close(self) -> None:
        _shut(self._listener)
        self.cut_off()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.deaf.is_set():
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._pairs.append((client, server))
                for work in (self._pass_to_server, self._pass_to_client):
                    threading.Thread(target=_quietly(work, client, server), daemon=True).start()

    def _pass_to_server(self, client: socket.socket, server: socket.socket) -> None:
        while sent := client.recv(BYTES):
            cut = self.cut
            if cut is not None and cut.is_due(client, sent):
                if cut.after_commit:
                    # First, so that the other thread cannot pass on the answer.
                    _shut(client)
                    server.sendall(sent)
                    return
                _shut(server)
                cut.on_cut()
                _shut(client)
                return
            server.sendall(sent)

    def _pass_to_client(self, client: socket.socket, server: socket.socket) -> None:
        while sent := server.recv(BYTES):
            client.sendall(sent)


def _quietly(
    work: Callable[[socket.socket, socket.socket], None],
    client: socket.socket,
    server: socket.socket,
) -> Callable[[], None]:
    def run() -> None:
        # What is passed on when an end was shut is nobody's concern.
        with suppress(OSError):
            work(client, server)

    return run


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def cutting_proxy(url: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
