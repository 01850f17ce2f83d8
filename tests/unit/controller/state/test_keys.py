from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import Internal
from shoal_controller.state import keys
from shoal_controller.state.keys import ContainerKey, ContainerPart, HoldKey, Key, NodeKey, NodePart

segments = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=12)
any_key: st.SearchStrategy[Key] = st.one_of(
    st.builds(keys.ClusterKey),
    st.builds(keys.LeaderKey),
    st.builds(ContainerKey, segments, segments, st.sampled_from(ContainerPart)),
    st.builds(keys.NameKey, segments, segments, segments),
    st.builds(keys.AddressKey, segments, segments),
    st.builds(NodeKey, segments, st.sampled_from(NodePart)),
    st.builds(HoldKey, segments, segments),
    st.builds(keys.TombstoneKey, segments, segments),
    st.builds(keys.TokenKey, segments),
    st.builds(keys.PolicyKey),
)


@given(any_key)
def test_every_key_is_parsed_back(key: Key) -> None:
    assert keys.parse(str(key)) == key
    assert str(key).startswith(keys.PREFIX)


@given(any_key, any_key)
def test_different_keys_lie_at_different_places(one: Key, other: Key) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(st.text(max_size=40))
def test_any_text_is_parsed_without_error(text: str) -> None:
    for key in (text, keys.PREFIX + text):
        parsed = keys.parse(key)
        assert parsed is None or str(parsed) == key


def test_the_layout_is_the_one_that_is_stored() -> None:
    assert keys.cluster() == "/shoal/v1/cluster"
    assert keys.leader() == "/shoal/v1/leader"
    assert keys.container_spec("ns", "c") == "/shoal/v1/containers/ns/c/spec"
    assert keys.container_placement("ns", "c") == "/shoal/v1/containers/ns/c/placement"
    assert keys.container_status("ns", "c") == "/shoal/v1/containers/ns/c/status"
    assert keys.name("ns", "container", "web") == "/shoal/v1/names/ns/container/web"
    assert keys.address("default", "10.88.0.2") == "/shoal/v1/addresses/default/10.88.0.2"
    assert keys.node_spec("n") == "/shoal/v1/nodes/n/spec"
    assert keys.node_session("n") == "/shoal/v1/nodes/n/session"
    assert keys.node_status("n") == "/shoal/v1/nodes/n/status"
    assert keys.node_ledger("n") == "/shoal/v1/nodes/n/ledger"
    assert keys.hold("n", "c") == "/shoal/v1/nodes/n/holds/c"
    assert keys.tombstone("ns", "c") == "/shoal/v1/tombstones/ns/c"
    assert keys.token("t") == "/shoal/v1/tokens/t"


@pytest.mark.parametrize("segment", ["", "a/b"])
def test_a_segment_that_would_name_another_object_is_refused(segment: str) -> None:
    with pytest.raises(Internal):
        keys.container_spec("default", segment)
