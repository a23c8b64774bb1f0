"""A webhook endpoint for tests: keeps what it is sent and answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

SECRET = "whsec_contract"
WAIT_SECONDS = 30


@dataclass
class Receiver:
    """What was delivered, in order of arrival; `statuses` are the answers still to give (then 200)."""

    url: str = ""
    deliveries: list[tuple[bytes, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def events(self) -> list[stripe.Event]:
        """The deliveries, each verified by the SDK with the secret."""
        with self.changed:
            taken = list(self.deliveries)
        return [stripe.Webhook.construct_event(body, signature, SECRET) for body, signature in taken]

    def wait_until(self, condition: Callable[[list[stripe.Event]], bool]) -> list[stripe.Event]:
        """The verified events once they fulfil the condition; AssertionError when they never do."""
        with self.changed:
            met = self.changed.wait_for(lambda: condition(self.events()), WAIT_SECONDS)
        assert met, f"delivered: {[event.type for event in self.events()]}"
        return self.events()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free loopback port."""
    receiver = Receiver(changed=threading.Condition(threading.RLock()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.changed:
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.deliveries.append((body, self.headers["Stripe-Signature"]))
                receiver.changed.notify_all()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests need no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks/stripe"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
