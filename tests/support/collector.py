"""A collector of OpenTelemetry's: takes traces by OTLP over HTTP, and keeps them."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What has arrived so far."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.headers: list[Mapping[str, str]] = []
        self._requests: list[ExportTraceServiceRequest] = []

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer."""
        if path != "/v1/traces":
            return 404
        self.headers.append(headers)
        self._requests.append(ExportTraceServiceRequest.FromString(body))
        return 200

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self._requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def services(self) -> set[str]:
        """The names of the processes that sent any."""
        return {
            attribute.value.string_value
            for request in self._requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }

    @property
    def everything(self) -> str:
        return "\n".join(str(request) for request in self._requests)


@contextmanager
def collector(*, answers: bool = True) -> Iterator[Collector]:
    """One on a free port. Without `answers` it takes requests and leaves them at that."""
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not answers:
                left.wait()
                return
            self.send_response(found.take(self.path, dict(self.headers), body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            left.set()
            server.shutdown()
            thread.join()
