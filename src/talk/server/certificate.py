"""The server's TLS certificate: one it makes itself, or one that its owner brings.

Clients do not believe in the self-made one by itself: the server signs its hash with the key that its id stands for,
so it may be remade at any time.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from talk.local.folders import write_private
from talk.protocol.certificates import certificate_hash

FILE_NAME = "tls.pem"
LIFETIME = timedelta(days=3650)
REMAKE_BEFORE_END = timedelta(days=30)
CLOCK_ERROR = timedelta(days=1)
MAX_FILE = 1024 * 1024  # bytes


class CertificateError(Exception):
    """A sentence for the owner of the server: what is wrong with a certificate or its key, and what to do."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate and a private key that fit (PEM; one file may hold both).

    `certificate_hash` is what `proofs.Channel.certificate` wants; `starts` and `ends` bound the time it is valid.
    """

    certificate: Path
    key: Path
    certificate_hash: str
    starts: datetime
    ends: datetime


def self_made_certificate(folder: Path, hosts: Iterable[str], now: datetime | None = None) -> TlsFiles:
    """The self-made certificate in that folder (one 0600 file with its key): kept as it is across starts, and made anew
    when there is none, or it is damaged or expired. ECDSA P-256, ten years, for those hosts and addresses.

    Errors: CertificateError when it cannot be written.
    """
    now = now or datetime.now(UTC)
    path = folder / FILE_NAME
    try:
        kept = load_certificate(path, path, now)
        if kept.ends - now > REMAKE_BEFORE_END:
            path.chmod(0o600)
            return kept
    except (CertificateError, OSError):
        pass  # whatever is wrong with it, a new one is as good
    try:
        write_private(path, _make(hosts, now))
    except OSError as error:
        raise CertificateError(
            f"TAlk cannot write its TLS certificate to {path}: {error.strerror or error}. Nothing was lost. Please "
            "make room there, or allow TAlk to write there."
        ) from error
    return load_certificate(path, path, now)


def load_certificate(certificate: Path, key: Path, now: datetime | None = None) -> TlsFiles:
    """A certificate (PEM, followed by its chain if it has one) and the key that belongs to it.

    Errors: CertificateError.
    """
    now = now or datetime.now(UTC)
    leaf = _read_certificate(certificate)
    if _read_public_key(key) != leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise CertificateError(
            f"The key in {key} does not belong to the certificate in {certificate}. Please give the two files that "
            "were made together."
        )
    if leaf.not_valid_after_utc < now:
        raise CertificateError(
            f"The certificate in {certificate} expired on {leaf.not_valid_after_utc:%d %B %Y}. Please renew it, and "
            "check this computer's clock."
        )
    if leaf.not_valid_before_utc > now:
        raise CertificateError(
            f"The certificate in {certificate} is valid only from {leaf.not_valid_before_utc:%d %B %Y} on. Please "
            "check this computer's clock."
        )
    return TlsFiles(certificate, key, _hash(certificate, leaf), leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or newer (both sides choose the newest they share) for HTTP/1.1, without compression.

    Errors: CertificateError when OpenSSL does not take the files.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # no client of ours comes back by one, and making two takes a fifth of a handshake's time
    try:
        # Without a password of its own OpenSSL would stop and ask for one in the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except OSError as error:
        raise CertificateError(
            f"The certificate in {files.certificate} or its key cannot be used for TLS: {error.strerror or 'refused'}. "
            "A new certificate with an ECDSA P-256 key will do."
        ) from error
    return context


def _make(hosts: Iterable[str], now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TAlk server")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_ERROR)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    found: dict[x509.GeneralName, None] = {x509.DNSName("localhost"): None}
    for host in hosts:
        text = host.removeprefix("[").removesuffix("]")
        # A name that DNS cannot hold is left out: TAlk's clients check the key, not the name.
        with suppress(UnicodeError):
            found[_general_name(text)] = None
    return list(found)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text.encode("idna").decode("ascii"))


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(path))[0]
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateError(
            f"The file {path} holds no certificate (PEM, which begins with -----BEGIN CERTIFICATE-----), or is damaged."
        ) from error


def _read_public_key(path: Path) -> bytes:
    try:
        key = load_pem_private_key(_read(path), None)
    except TypeError as error:
        raise CertificateError(
            f"The key in {path} is locked with a password, and a server must start without one. Please unlock it with: "
            f"openssl pkey -in '{path}' -out unlocked.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"The file {path} holds no private key (PEM, which begins with -----BEGIN PRIVATE KEY-----), or is damaged."
        ) from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise CertificateError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_FILE:
        raise CertificateError(f"The file {path} is too big for a certificate or a key. Is it the right one?")
    return data


def _hash(path: Path, leaf: x509.Certificate) -> str:
    try:
        return certificate_hash(leaf.public_bytes(Encoding.DER))
    except ValueError as error:
        raise CertificateError(f"The certificate in {path} cannot be used: {error}.") from error
