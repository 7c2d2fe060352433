"""The server's TLS certificate: self-signed, for loopback, made once.

Not for secrecy on loopback, but because kubectl sends a token over TLS only. The kubeconfig names it, so
clients check it like that of any cluster.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl

from tradewind.local.cluster.home import Home, write_private

__all__ = ["client_context", "ensure_certificate", "server_context"]

YEARS = 10


def ensure_certificate(home: Home) -> None:
    """Make the certificate and its key unless they are there."""
    if home.certificate.exists() and home.private_key.exists():
        return
    # Takes a tenth of a second to import, and is needed at the first start only.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tradewind embedded cluster")])
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    text = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain).decode()
    write_private(home.private_key, text)
    write_private(home.certificate, certificate.public_bytes(encoding).decode())


def server_context(home: Home) -> ssl.SSLContext:
    """For the server's sockets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home.certificate, home.private_key)
    return context


def client_context(home: Home) -> ssl.SSLContext:
    """For a client that trusts this cluster and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(home.certificate)
    return context
