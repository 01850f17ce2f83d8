"""The pure parts of root file systems and sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_agent.kernel.mounts import MountEntry, parse_mountinfo
from shoal_agent.network.links import Port
from shoal_agent.paths import NodePaths
from shoal_agent.sandbox.host_checks import check_data_root, missing_capabilities
from shoal_agent.sandbox.overlay import MAX_LAYERS, overlay_plan
from shoal_agent.sandbox.sandboxes import Claim, checked_key
from shoal_common.errors import InvalidSpec

PORT = Port(link="shl0", inside="eth0", ip="10.88.0.7", prefix_length=16, gateway="10.88.0.1", mac="02:42:0a:58:00:07")


def test_top_layer_comes_first_in_the_options() -> None:
    plan = overlay_plan(["/base", "/middle", "/top"], "/w", "/m", source="s", uid_base=524288)
    assert plan.options == ("lowerdir=2:1:0,upperdir=w/upper,workdir=w/work,index=off,metacopy=off,redirect_dir=off")


def test_image_without_layers_gets_an_empty_one() -> None:
    assert overlay_plan([], "/w", "/m", source="s", uid_base=524288).options.startswith("lowerdir=e,")


def test_as_many_layers_as_the_kernel_stacks_fit_on_a_page() -> None:
    layers = [f"/{number}" for number in range(MAX_LAYERS)]
    assert len(overlay_plan(layers, "/w", "/m", source="s", uid_base=1).options) < 4096
    with pytest.raises(ValueError, match="501 layers"):
        overlay_plan([*layers, "/more"], "/w", "/m", source="s", uid_base=1)


def test_claim_survives_its_file() -> None:
    claim = Claim(key="c0ffee-1", uid_base=524288, ports=(PORT,))
    assert Claim.decode(claim.encode()) == claim


@pytest.mark.parametrize("text", ["", "{", "{}", '{"key": "a", "uid_base": 1, "ports": [{"link": "x"}]}', "[]"])
def test_broken_claim_is_told_from_a_claim(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Claim.decode(text)


@pytest.mark.parametrize("key", ["", ".", "..", ".pool", "a/b", "a\n", "x" * 201])
def test_key_that_names_no_directory_is_refused(key: str) -> None:
    with pytest.raises(InvalidSpec):
        checked_key(key)


def test_mountinfo_is_read_with_its_escapes() -> None:
    text = "88 43 0:41 / /run/a\\040b rw,nodev shared:1 - overlay shoal-524288 rw,lowerdir=0\nrubbish\n"
    assert list(parse_mountinfo(text)) == [MountEntry(target="/run/a b", filesystem="overlay", source="shoal-524288")]


def test_lacking_capability_is_named() -> None:
    assert missing_capabilities("CapEff:\t000001ffffffffff\n") == []
    assert missing_capabilities("CapEff:\t000001ffffdfffff\n") == ["CAP_SYS_ADMIN"]


def test_data_root_that_is_missing_or_no_directory_is_refused(tmp_path: Path) -> None:
    paths = NodePaths(tmp_path / "data", tmp_path / "run")
    with pytest.raises(InvalidSpec, match="does not exist"):
        check_data_root(paths)
    paths.data.touch()
    with pytest.raises(InvalidSpec, match="no directory"):
        check_data_root(paths)
