"""A web server before a real one, which passes requests on until it is told to misbehave."""

import http.client
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = Callable[["Request"], bool]


class Request(BaseHTTPRequestHandler):
    """One request; what it does is up to the fault of its server."""

    server: "FaultyProxy"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def forward(self) -> tuple[int, bytes, str]:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        parts = urlsplit(self.server.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        text, kind = reply.read(), reply.getheader("Content-Type", "application/json")
        connection.close()
        return reply.status, text, kind

    def pass_on(self) -> None:
        self.server.requests += 1
        if not self.server.fault(self):
            self.answer(*self.forward())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815


def well(_: Request) -> bool:
    return False


def internal_error(request: Request) -> bool:
    """Answer 500 and do nothing."""
    request.rfile.read(int(request.headers.get("Content-Length", 0)))
    request.answer(500, b'{"error_code": "INTERNAL_ERROR", "message": "out of order"}')
    return True


def lost_answer(request: Request) -> bool:
    """Do what is asked and never say so."""
    request.forward()
    request.close_connection = True
    return True


def half_of_the_time(fault: Fault, seed: int) -> Fault:
    """Misbehave or not, as a seeded coin says."""
    coin = random.Random(seed)
    return lambda request: coin.random() < 0.5 and fault(request)


class FaultyProxy(ThreadingHTTPServer):
    """Listens on a port of its own."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.target = target
        self.fault: Fault = well
        self.requests = 0
        self.address = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(target)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
