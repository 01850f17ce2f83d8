"""The file of a backup: whole or refused, in one line that says why."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import InvalidSpec, PermissionDenied, ShoalError
from shoal_controller.recovery import archive
from shoal_controller.recovery.archive import CHUNK, Encryptor, decrypted

HEADER = 51
BLOCK = CHUNK + 16


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys fast: what is tested is not how long guessing takes."""
    monkeypatch.setattr(archive, "_LOG_N", 10)


def made(data: bytes, passphrase: str = "correct horse") -> bytes:
    encryptor = Encryptor(passphrase)
    return b"".join([encryptor.header, *encryptor.update(data), encryptor.finish()])


def opened(file: bytes, passphrase: str = "correct horse") -> bytes:
    return b"".join(decrypted(io.BytesIO(file), passphrase, name="FILE"))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_what_goes_in_comes_out(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert opened(made(data[:size])) == data[:size]


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_it_does_not_matter_how_it_is_cut_up_when_written(pieces: list[bytes]) -> None:
    archive._LOG_N = 10
    encryptor = Encryptor("x")
    file = encryptor.header + b"".join(chunk for piece in pieces for chunk in encryptor.update(piece))
    assert opened(file + encryptor.finish(), "x") == b"".join(pieces)


def test_another_passphrase_is_told_from_a_changed_file() -> None:
    with pytest.raises(PermissionDenied, match="passphrase does not open FILE"):
        opened(made(b"data"), "wrong")
    with pytest.raises(InvalidSpec, match="passphrase"):
        Encryptor("")


def test_the_same_passphrase_typed_in_other_code_points_opens() -> None:
    assert opened(made(b"data", "caf\u00e9"), "cafe\u0301") == b"data"


@given(st.data())
def test_a_file_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    archive._LOG_N = 10
    file = bytearray(made(bytes(CHUNK + 100)))
    at = data.draw(st.one_of(st.integers(0, HEADER + 30), st.integers(0, len(file) - 1)))
    file[at] ^= data.draw(st.integers(1, 255))
    if 8 <= at < 12:
        return  # What scrypt is asked to cost: another one takes its time, and then does not open.
    with pytest.raises(ShoalError) as raised:
        opened(bytes(file))
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    "left", [0, 10, HEADER, HEADER + 10, HEADER + BLOCK, HEADER + 2 * BLOCK, HEADER + 2 * BLOCK + 9]
)
def test_a_file_that_was_cut_is_refused(left: int) -> None:
    file = made(bytes(2 * CHUNK + 100))
    with pytest.raises(InvalidSpec):
        opened(file[:left])
    if left and (left - HEADER) % BLOCK == 0 and left > HEADER:
        with pytest.raises(InvalidSpec, match="its end is missing"):
            opened(file[:left])


def test_a_backup_without_its_end_is_not_taken_for_whole() -> None:
    file = made(bytes(3 * CHUNK + 5))
    with pytest.raises(InvalidSpec, match="its end is missing"):
        opened(file[: HEADER + 2 * BLOCK])


def test_chunks_can_not_be_moved_left_out_or_taken_from_another_backup() -> None:
    file, other = made(bytes(3 * CHUNK + 5)), made(bytes(3 * CHUNK + 5))
    head, blocks = file[:HEADER], [file[HEADER + n * BLOCK : HEADER + (n + 1) * BLOCK] for n in range(4)]
    for order in ([1, 0, 2, 3], [0, 2, 3], [0, 1, 1, 2, 3]):
        with pytest.raises(InvalidSpec):
            opened(head + b"".join(blocks[n] for n in order))
    with pytest.raises(InvalidSpec):
        opened(head + blocks[0] + other[HEADER + BLOCK :])


def test_what_is_no_backup_is_said_to_be_none() -> None:
    for file in (b"", b"SHOALBK", b"PK\x03\x04" + bytes(100)):
        with pytest.raises(InvalidSpec, match="not a backup"):
            opened(file)
    greedy = bytearray(made(b"x"))
    greedy[8] = 40
    with pytest.raises(InvalidSpec, match="header"):
        opened(bytes(greedy))
