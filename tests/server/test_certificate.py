"""The TLS certificate, with real handshakes on loopback."""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from talk.protocol.certificates import certificate_hash
from talk.server.certificate import (
    FILE_NAME,
    CertificateError,
    TlsFiles,
    load_certificate,
    self_made_certificate,
    server_context,
)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
WITHIN = 20.0

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(key: PrivateKey, starts: datetime = NOW - DAY, ends: datetime = NOW + 90 * DAY) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    dated = builder.not_valid_before(starts).not_valid_after(ends).public_key(key.public_key())
    return dated.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem(key: PrivateKey, lock: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def hash_of(files: TlsFiles) -> str:
    return certificate_hash(ssl.PEM_cert_to_DER_cert(first_block(files.certificate.read_text())))


def first_block(text: str) -> str:
    end = "-----END CERTIFICATE-----"
    return text[: text.index(end) + len(end)]


def careless_client() -> ssl.SSLContext:
    """A client that leaves the question of who it is to the hash, as TAlk's own do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def shake_hands(files: TlsFiles, client: ssl.SSLContext, name: str = "127.0.0.1") -> ssl.SSLObject:
    """A handshake with a server that uses those files; the client's end of it."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with (
        asyncio.timeout(WITHIN),
        await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=server_context(files)) as server,
    ):
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        end = writer.get_extra_info("ssl_object")
        assert isinstance(end, ssl.SSLObject)
        writer.close()
        await writer.wait_closed()
        return end


# ---- the self-made one --------------------------------------------------------------------------------------------


async def test_a_client_sees_the_key_that_the_server_signs_in_its_hello(tmp_path: Path) -> None:
    files = self_made_certificate(tmp_path, ["192.168.1.5"])
    client = careless_client()
    client.set_alpn_protocols(["h2", "http/1.1"])
    end = await shake_hands(files, client)
    der = end.getpeercert(binary_form=True)
    assert der is not None
    assert certificate_hash(der) == files.certificate_hash
    assert end.version() == "TLSv1.3"
    assert end.selected_alpn_protocol() == "http/1.1"
    assert end.compression() is None


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "chat.example.org", "::1"])
async def test_it_stands_for_the_hosts_that_were_given(tmp_path: Path, name: str) -> None:
    files = self_made_certificate(tmp_path, ["127.0.0.1", "chat.example.org", "[::1]", "chat.example.org"])
    strict = ssl.create_default_context(cadata=first_block(files.certificate.read_text()))
    await shake_hands(files, strict, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        await shake_hands(files, strict, "other.example.org")


def test_names_in_other_scripts_and_impossible_ones(tmp_path: Path) -> None:
    files = self_made_certificate(tmp_path, ["चैट.भारत", "a" * 64 + ".org", "two..dots", "fe80::1%eth0"])
    [made] = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "xn--61bk6j.xn--h2brj9c"]


async def test_tls_1_2_will_do_and_1_1_will_not(tmp_path: Path) -> None:
    files = self_made_certificate(tmp_path, [])
    client = careless_client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await shake_hands(files, client)).version() == "TLSv1.2"
    context = server_context(files)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION


def test_it_is_made_as_promised(tmp_path: Path) -> None:
    files = self_made_certificate(tmp_path, [])
    [made] = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert files.ends - NOW > 3649 * DAY
    assert files.starts < NOW
    assert files.certificate_hash == hash_of(files)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    if sys.platform != "win32":
        assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_it_is_kept_across_starts_whatever_the_hosts(tmp_path: Path) -> None:
    first = self_made_certificate(tmp_path, ["10.0.0.1"])
    before = first.certificate.read_bytes()
    first.key.chmod(0o644)
    assert self_made_certificate(tmp_path, ["10.0.0.2"], NOW + 3000 * DAY) == first
    assert first.certificate.read_bytes() == before
    if sys.platform != "win32":
        assert stat.S_IMODE(first.key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"BEGIN CERT", b"BEGIN CRET"),
        lambda data: data.replace(b"PRIVATE KEY", b"SECRET KEY"),
        lambda data: certificate(new_key()) + pem(new_key()),
        lambda data: bytes(2 * 1024 * 1024),
    ],
    ids=["empty", "half", "no certificate", "no key", "two that do not fit", "huge"],
)
def test_a_damaged_one_is_made_anew(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    files = self_made_certificate(tmp_path, [])
    files.certificate.write_bytes(damage(files.certificate.read_bytes()))
    anew = self_made_certificate(tmp_path, [])
    assert anew.certificate_hash == hash_of(anew) != files.certificate_hash
    server_context(anew)


@pytest.mark.parametrize("later", [3651 * DAY, 3630 * DAY, -2 * DAY], ids=["expired", "soon expired", "not yet valid"])
def test_one_that_does_not_fit_the_time_is_made_anew(tmp_path: Path, later: timedelta) -> None:
    first = self_made_certificate(tmp_path, [], NOW)
    second = self_made_certificate(tmp_path, [], NOW + later)
    assert second.certificate_hash != first.certificate_hash
    assert second.starts < NOW + later < second.ends


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"cannot write .*nowhere"):
        self_made_certificate(tmp_path / "nowhere", [])


# ---- one that the owner brings ------------------------------------------------------------------------------------


async def test_an_owners_certificate_with_its_chain(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    chain = write(tmp_path / "fullchain.pem", certificate(key) + certificate(new_key()))
    files = load_certificate(chain, write(tmp_path / "key.pem", pem(key)))
    end = await shake_hands(files, careless_client())
    der = end.getpeercert(binary_form=True)
    assert der is not None
    assert certificate_hash(der) == files.certificate_hash


def test_every_mistake_has_its_sentence(tmp_path: Path) -> None:
    key = new_key()
    good, good_key = write(tmp_path / "c", certificate(key)), write(tmp_path / "k", pem(key))
    other_key = write(tmp_path / "other key", pem(new_key()))
    locked = write(tmp_path / "locked", pem(key, BestAvailableEncryption(b"password")))
    old = write(tmp_path / "old", certificate(key, NOW - 9 * DAY, NOW - 2 * DAY))
    future = write(tmp_path / "future", certificate(key, NOW + 2 * DAY))
    words = write(tmp_path / "words", "नमस्ते".encode())
    big = write(tmp_path / "big", pem(key) + b"\n" * 1024 * 1024)
    load_certificate(good, good_key)
    for cert, private, sentence in (
        (tmp_path / "none", good_key, "none cannot be read"),
        (good, tmp_path / "none", "none cannot be read"),
        (tmp_path, good_key, "cannot be read"),
        (words, good_key, "words holds no certificate"),
        (good_key, good_key, "k holds no certificate"),
        (good, words, "words holds no private key"),
        (good, good, "c holds no private key"),
        (good, big, "too big"),
        (good, other_key, "does not belong"),
        (good, locked, "locked with a password"),
        (old, good_key, "expired on"),
        (future, good_key, "only from"),
    ):
        with pytest.raises(CertificateError, match=sentence):
            load_certificate(cert, private)


START_WITH_A_KEY_LOCKED_MEANWHILE = """
import sys
from pathlib import Path
from talk.server.certificate import CertificateError, load_certificate, server_context
certificate, key, locked = map(Path, sys.argv[1:])
files = load_certificate(certificate, key)
locked.replace(key)
try:
    server_context(files)
except CertificateError as error:
    print(error)
"""


def test_openssl_never_waits_for_a_password(tmp_path: Path) -> None:
    key = new_key()
    files = (
        write(tmp_path / "c", certificate(key)),
        write(tmp_path / "k", pem(key)),
        write(tmp_path / "locked", pem(key, BestAvailableEncryption(b"password"))),
    )
    with subprocess.Popen(
        [sys.executable, "-c", START_WITH_A_KEY_LOCKED_MEANWHILE, *map(str, files)],
        stdin=subprocess.PIPE,  # open and silent, like an owner who is away; without a terminal it is asked instead
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        try:
            assert server.wait(WITHIN) == 0
        finally:
            server.kill()
        assert server.stdout is not None
        assert "cannot be used for TLS" in server.stdout.read()


def test_a_key_that_openssl_finds_too_weak_has_a_sentence(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    files = load_certificate(write(tmp_path / "c", certificate(key)), write(tmp_path / "k", pem(key)))
    with pytest.raises(CertificateError, match="cannot be used for TLS"):
        server_context(files)
