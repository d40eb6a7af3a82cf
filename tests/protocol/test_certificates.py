"""The hash of a certificate's key, against vectors that OpenSSL made:

openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol.certificates import certificate_hash

P256 = base64.b64decode(
    "MIIBbDCCAROgAwIBAgIUCP++tln8jP4XmGSSNgYz3AD5w+EwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjIxNjM2"
    "MDZaFw0zNjExMTkxNjM2MDZaMAwxCjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATYQzpTWFo5BHJ8igHloLeC"
    "ZlRZv7dsKR817PR0ivDrJL9RfgmSBce2JdbEcDs6Pn3N7o8ZShY1ZST+avO0QGsHo1MwUTAdBgNVHQ4EFgQUSVBk1iHiAlw8YH3v"
    "tJKuP8OZvPQwHwYDVR0jBBgwFoAUSVBk1iHiAlw8YH3vtJKuP8OZvPQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBE"
    "AiApv1xKyz4dRhMuHz7SyWoQp1dUimuZeyRuZ2dbiVkMOAIgc//IGv951mxFbaCAzzDD8JfZuwiOdwGmKnVRNcmiw9Y="
)
ED25519 = base64.b64decode(
    "MIIBLDCB36ADAgECAhQp6AADqLY90ZHiRUXYMAcRbJoqPzAFBgMrZXAwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjIxNjM2MDdaFw0z"
    "NjExMTkxNjM2MDdaMAwxCjAIBgNVBAMMAXgwKjAFBgMrZXADIQA9LiWZrdoF9mVXdVkixqNH5XjXStojucbGLc5tQblc96NTMFEw"
    "HQYDVR0OBBYEFCshspgmItWoxhvBG9hPuuvoYUnlMB8GA1UdIwQYMBaAFCshspgmItWoxhvBG9hPuuvoYUnlMA8GA1UdEwEB/wQF"
    "MAMBAf8wBQYDK2VwA0EAznWBagWodbdAspfe8gJLRrVi4fnSP+ZjFslEbJoBnELgzg9B100Zrntr8gRYpQiKus9flX0yoDwvWPeb"
    "+oqbCw=="
)
# A P-256 key whose point is compressed; libraries write it out again in another way than it stands here.
COMPRESSED = base64.b64decode(
    "MIIBSzCB86ADAgECAhQVNDwDdXYabMT4zuNI9jv95McD7DAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MB4XDTI2MTEyMjE2MzYw"
    "N1oXDTM2MTExOTE2MzYwN1owDDEKMAgGA1UEAwwBeDA5MBMGByqGSM49AgEGCCqGSM49AwEHAyIAAi3C7i0XeX+cYBpXlhUmWG7y"
    "2J1XtPdXRjA6eAITBBl8o1MwUTAdBgNVHQ4EFgQUwv8cRnoIR/lqkLNDAfHU8o3jLbgwHwYDVR0jBBgwFoAUwv8cRnoIR/lqkLND"
    "AfHU8o3jLbgwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBA8o2NyJIej3Nr2LMLe9jdeEt5rEdUE3O6R/sbPwYd"
    "bQIgFuSKP1Os534Pi0j6o4ljdi3mf3wTTCrln6Wqo4Jq1ck="
)


@pytest.mark.parametrize(
    ("der", "expected"),
    [
        (P256, "pGbokgQdGAvl02GLMAAFJPcNg7B9EU524tKURmn9j1o"),
        (ED25519, "o0s4ehFepAWMQ0zxo/vWZl2IQVHj4RSmfOnlS85ydx4"),
    ],
    ids=["P-256", "Ed25519"],
)
def test_it_is_what_openssl_says(der: bytes, expected: str) -> None:
    assert certificate_hash(der) == expected


def test_a_key_that_others_would_hash_differently_is_refused() -> None:
    with pytest.raises(ValueError, match="unusual"):
        certificate_hash(COMPRESSED)


@given(st.binary(max_size=200) | st.integers(0, len(P256) - 1).map(lambda end: P256[:end]))
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        certificate_hash(data)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_certificate_with_any_bit_flipped_is_hashed_or_refused() -> None:
    refused = 0
    for bit in range(8 * len(P256)):
        damaged = bytearray(P256)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            certificate_hash(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > len(P256)
