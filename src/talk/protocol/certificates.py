"""What both sides sign about the TLS certificate in use (`proofs.Channel.certificate`)."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from talk.protocol.ids import encode64


def certificate_hash(der: bytes) -> str:
    """Unpadded base64 of SHA-256 over the SubjectPublicKeyInfo (RFC 5280 section 4.1, DER) of a certificate in DER.

    Errors: ValueError when it is no certificate, its key is of an unknown kind, or its key is written in an unusual
    way: then another implementation that hashes the bytes as they stand would disagree.
    """
    try:
        key = load_der_x509_certificate(der).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError("not a certificate with a key of a known kind") from error
    if key not in der:
        raise ValueError("the certificate writes its key in an unusual way")
    return encode64(hashlib.sha256(key).digest())
