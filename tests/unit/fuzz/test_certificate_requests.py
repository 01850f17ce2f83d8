"""Certificate requests that are made up: good ones, bad ones, and of the same keys again."""

from __future__ import annotations

from collections import Counter
from random import Random

from cryptography.hazmat.primitives import serialization

from shoal_common.errors import InvalidSpec
from shoal_controller.pki.join import requested_key
from tests.fuzz.certificate_requests import certificate_request


def _key(number: int) -> bytes | None:
    try:
        key = requested_key(certificate_request(Random(f"1 {number}")))
    except InvalidSpec:
        return None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_most_are_good_some_are_refused_and_keys_come_again() -> None:
    keys = Counter(_key(number) for number in range(500))
    assert 50 < keys.pop(None) < 250
    assert len(keys) > 100
    assert max(keys.values()) > 1


def test_the_same_seed_asks_for_the_same_key() -> None:
    assert [_key(number) for number in range(50)] == [_key(number) for number in range(50)]
