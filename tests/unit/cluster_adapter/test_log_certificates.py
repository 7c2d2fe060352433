"""Logs are read with the certificate that the client has now, not with the one that it had first."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kubernetes.client import ApiClient, Configuration, CoreV1Api

from tradewind.cluster.log_lines import LogLine
from tradewind.cluster.log_streams import LogSession, LogStream
from tradewind.cluster.pods import Pods


def certificate(folder: Path, name: str) -> Path:
    """Make a key and a certificate that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@contextmanager
def server(own: Path, *accepted: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a log to whoever is "new"; gives the address, and the names of those who asked."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            peer: Any = self.connection.getpeercert()  # type: ignore[attr-defined]
            name = peer["subject"][0][0][1]
            seen.append(name)
            self.send_response(200 if name == "new" else 401)
            self.end_headers()
            if name == "new":
                self.wfile.write(b"2026-01-01T00:00:01.000000001Z a\n")

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    context.verify_mode = ssl.CERT_REQUIRED
    for path in accepted:
        context.load_verify_locations(path)
    http = ThreadingHTTPServer(("localhost", 0), Handler)
    http.daemon_threads = True
    http.socket = context.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"https://localhost:{http.server_port}", seen
    finally:
        http.shutdown()
        http.server_close()


async def always() -> None:
    """There is room for more of a log."""


def test_a_renewed_client_brings_its_certificate(tmp_path: Path) -> None:
    own, old, new = (certificate(tmp_path, name) for name in ("server", "old", "new"))
    certificates = [old, new]
    lines: list[LogLine] = []

    with server(own, old, new) as (address, seen):

        def client() -> CoreV1Api:
            configuration = Configuration(host=address)
            configuration.ssl_ca_cert = str(own)
            configuration.cert_file = configuration.key_file = str(certificates.pop(0))
            return CoreV1Api(ApiClient(configuration))

        async def read() -> bool:
            async with LogSession(Pods(client, "ml")) as session:
                return await LogStream(session, "train-1", "base", lines.append, always).finish(20)

        assert asyncio.run(read())
    assert [line.text for line in lines] == ["a"]
    assert seen == ["old", "new"]
