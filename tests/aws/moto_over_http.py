"""For tests: moto's server over real HTTP on loopback, with faults injected in front of it."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
#: What stands in an environment of WSGI and is answered instead of moto: status, content type, body.
Answer = tuple[str, str, bytes]


def xml_error(status: str, code: str, message: str = "") -> Answer:
    """An error of the query protocol, for IAM, STS, CloudFormation, SQS and SNS; it is also valid for S3."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return status, "text/xml", body.encode()


def ec2_error(status: str, code: str, message: str = "") -> Answer:
    """An error of EC2's protocol."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
    return status, "text/xml", body.encode()


def json_error(status: str, code: str, message: str = "") -> Answer:
    """An error of the JSON protocols."""
    return status, "application/x-amz-json-1.1", f'{{"__type": "{code}", "message": "{message}"}}'.encode()


@dataclass
class Faults:
    """In front of moto. `faults` are asked by operation, with how often it was called before; `seen` counts calls.

    GetAccountAuthorizationDetails, which moto gives whole, is given in two pages.
    """

    app: App
    faults: dict[str, Callable[[int], Answer | None]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        operation = _operation(environ, body)
        before, self.seen[operation] = self.seen[operation], self.seen[operation] + 1
        fault = self.faults.get(operation)
        if fault is not None and (answer := fault(before)) is not None:
            status, kind, text = answer
            start(status, [("Content-Type", kind), ("Content-Length", str(len(text)))])
            return [text]
        more = False
        if operation == "GetAccountAuthorizationDetails":
            more = b"Marker=" not in body
            kinds = ("User", "Group") if more else ("Role", "LocalManagedPolicy")
            body = (
                body.split(b"&Marker=")[0]
                + "".join(f"&Filter.member.{n}={kind}" for n, kind in enumerate(kinds, 1)).encode()
            )
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self._paged(environ, start) if more else self.app(environ, start)

    def _paged(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        kept: list[Any] = []
        text = b"".join(self.app(environ, lambda *answer: kept.extend(answer)))
        text = text.replace(b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated><Marker>2</Marker>")
        assert b"<Marker>" in text
        headers = [(name, value) for name, value in kept[1] if name.lower() != "content-length"]
        start(kept[0], [*headers, ("Content-Length", str(len(text)))])
        return [text]


def _operation(environ: dict[str, Any], body: bytes) -> str:
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if target:
        return target.rpartition(".")[2]
    action = parse_qs(body.decode("latin-1")).get("Action")
    return action[0] if action else f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def slow(seconds: float) -> Callable[[int], None]:
    """A call that is answered too late."""
    return lambda before: time.sleep(seconds)


@contextmanager
def served() -> Iterator[tuple[str, Faults]]:
    """moto's server in this process, with the same state; returns its address and the faults to inject."""
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, faults, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
