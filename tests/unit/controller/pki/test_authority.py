"""The certificate authority: what it signs, and what it doesn't."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.identity import CONTROLLER_NAME, Identity, Role, identity_of, node_server_name
from shoal_controller.pki.authority import AUTHORITY_LIFE, CERTIFICATE_LIFE, Authority, write_private

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
NODE = Identity(Role.NODE, "0" * 32)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("c1", NOW)


def _verify(authority: Authority, pem: bytes, name: str) -> None:
    verifier = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    verifier.build_server_verifier(x509.DNSName(name)).verify(x509.load_pem_x509_certificate(pem), [])


def test_what_it_issues_names_its_holder_and_verifies(authority: Authority) -> None:
    pair = authority.issue(NODE, ["10.0.0.1", "host.example"], NOW)
    _verify(authority, pair.certificate, node_server_name(NODE.id))
    _verify(authority, pair.certificate, "host.example")
    assert identity_of(x509.load_pem_x509_certificate(pair.certificate)) == NODE


def test_a_node_can_not_pass_for_a_controller(authority: Authority) -> None:
    pair = authority.issue(NODE, [], NOW)
    with pytest.raises(VerificationError):
        _verify(authority, pair.certificate, CONTROLLER_NAME)


@pytest.mark.parametrize(
    "address",
    [
        *(CONTROLLER_NAME, "x.node.shoal", "X.NODE.SHOAL.", "", "bücher.example"),
        *("*", "*.shoal", "*.example", f"{CONTROLLER_NAME}\0.example", f"{CONTROLLER_NAME}\n", "a b", "-a.example"),
    ],
)
def test_names_that_mean_a_holder_are_refused_as_addresses(authority: Authority, address: str) -> None:
    with pytest.raises(InvalidSpec):
        authority.sign(ec.generate_private_key(ec.SECP256R1()).public_key(), NODE, [address], NOW)


def test_a_certificate_names_a_limited_number_of_addresses(authority: Authority) -> None:
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(1000)]
    with pytest.raises(InvalidSpec, match="1000 addresses"):
        authority.sign(ec.generate_private_key(ec.SECP256R1()).public_key(), NODE, addresses, NOW)


def test_a_certificate_of_another_authority_does_not_verify(authority: Authority) -> None:
    pair = Authority.create("c1", NOW).issue(NODE, [], NOW)
    with pytest.raises(VerificationError):
        _verify(authority, pair.certificate, node_server_name(NODE.id))


def test_certificates_end_before_their_authority(authority: Authority) -> None:
    assert CERTIFICATE_LIFE < AUTHORITY_LIFE
    certificate = x509.load_pem_x509_certificate(authority.issue(NODE, [], NOW).certificate)
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc


def test_it_is_loaded_as_it_was_saved(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path)
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    loaded = Authority.load(tmp_path)
    assert loaded.digest == authority.digest
    _verify(authority, loaded.issue(NODE, [], NOW).certificate, node_server_name(NODE.id))


def test_a_missing_authority_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="shoal controller init"):
        Authority.load(tmp_path)


def test_a_private_file_replaces_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("open to all")
    path.chmod(0o644)
    write_private(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
