from __future__ import annotations

import hashlib
import hmac
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.environment import seal_env, unseal_env
from shoal_common.errors import Internal, InvalidSpec, PermissionDenied
from shoal_common.sealing import Sealer, load_or_create_key

KEY = bytes(range(32))


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_is_sealed_is_unsealed_and_never_seen(data: bytes, context: bytes) -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(data, context=context)
    assert Sealer(KEY).unseal(sealed, context=context) == data
    assert sealed != sealer.seal(data, context=context), "equal values don't look equal"
    assert len(sealed) == len(data) + 33
    assert len(data) < 8 or data not in sealed


@given(st.binary(max_size=60), st.binary(max_size=10), st.binary(max_size=10))
def test_a_sealed_value_opens_only_where_it_belongs(data: bytes, context: bytes, other: bytes) -> None:
    sealer = Sealer(KEY)
    if context != other:
        with pytest.raises(Internal, match="another object"):
            sealer.unseal(sealer.seal(data, context=context), context=other)


@given(st.binary(max_size=30), st.data())
def test_no_changed_bit_goes_unnoticed(data: bytes, draw: st.DataObject) -> None:
    sealer = Sealer(KEY)
    sealed = bytearray(sealer.seal(data, context=b"c"))
    bit = draw.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Internal):
        sealer.unseal(bytes(sealed), context=b"c")


def test_an_environment_opens_only_for_its_own_container() -> None:
    sealer = Sealer(KEY)
    sealed = seal_env(sealer, "a", ["A=1", "B="])
    assert unseal_env(sealer, "a", sealed) == ["A=1", "B="]
    assert unseal_env(sealer, "a", seal_env(sealer, "a", [])) == []
    with pytest.raises(Internal, match="another object"):
        unseal_env(sealer, "b", sealed)


def test_another_key_is_named_as_the_cause() -> None:
    sealed = Sealer(KEY).seal(b"x", context=b"c")
    with pytest.raises(Internal, match="restore the key file"):
        Sealer(bytes(32)).unseal(sealed, context=b"c")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 32, b"\x02" * 64])
def test_what_is_no_sealed_value_is_refused(sealed: bytes) -> None:
    with pytest.raises(Internal):
        Sealer(KEY).unseal(sealed, context=b"c")


def test_the_form_is_the_one_that_is_stored() -> None:
    """Values sealed by the first version open for ever."""
    sealed = bytes.fromhex("01c97cf47c244e2585e26505158ef509c2f112a1350f9e4371ddc603830fb1720102809f")
    assert Sealer(KEY).unseal(sealed, context=b"containers/default/a/env") == b"A=1"


def test_macs_are_equal_for_equal_data_only() -> None:
    sealer = Sealer(KEY)
    assert sealer.mac(b"a") == Sealer(KEY).mac(b"a")
    assert len(sealer.mac(b"a")) == 32
    assert sealer.mac(b"a") != sealer.mac(b"b")
    assert sealer.mac(b"a") != Sealer(bytes(32)).mac(b"a")
    assert sealer.mac(b"a") != hmac.digest(KEY, b"a", hashlib.sha256), "the key itself is used for nothing"


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="31 bytes"):
        Sealer(bytes(31))


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "seal.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["seal.key"]


def test_controllers_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    start = threading.Barrier(8)

    def load() -> None:
        start.wait()
        found.append(load_or_create_key(tmp_path / "seal.key"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    load_or_create_key(path)
    path.chmod(0o640)
    with pytest.raises(PermissionDenied, match="chmod 600"):
        load_or_create_key(path)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    path.touch(mode=0o600)
    path.write_bytes(b"x" * 33)
    with pytest.raises(InvalidSpec, match="exactly 32 bytes"):
        load_or_create_key(path)
