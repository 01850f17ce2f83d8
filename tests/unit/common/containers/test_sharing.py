from __future__ import annotations

from collections.abc import Callable

import pytest

from shoal_common.containers.sharing import Share, Sharing, parse_ipc, parse_network, parse_pid, parse_users, parse_uts
from shoal_common.errors import InvalidSpec


@pytest.mark.parametrize(
    ("parse", "text", "sharing"),
    [
        (parse_network, "default", Sharing(Share.OWN)),
        (parse_network, "bridge", Sharing(Share.OWN)),
        (parse_network, "none", Sharing(Share.NONE)),
        (parse_network, "container:web", Sharing(Share.CONTAINER, "web")),
        (parse_network, f"container:{'ab' * 32}", Sharing(Share.CONTAINER, "ab" * 32)),
        (parse_pid, "", Sharing(Share.OWN)),
        (parse_pid, "container:web", Sharing(Share.CONTAINER, "web")),
        (parse_ipc, "private", Sharing(Share.OWN)),
        (parse_ipc, "none", Sharing(Share.NONE)),
        (parse_ipc, "shareable", Sharing(Share.SHAREABLE)),
        (parse_ipc, "container:web", Sharing(Share.CONTAINER, "web")),
        *(
            (parse, "host", Sharing(Share.HOST))
            for parse in (parse_network, parse_pid, parse_ipc, parse_uts, parse_users)
        ),
        (parse_users, "", Sharing(Share.OWN)),
    ],
)
def test_the_words_of_docker(parse: Callable[[str], Sharing], text: str, sharing: Sharing) -> None:
    assert parse(text) == sharing


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_network, ""),
        (parse_network, "shareable"),
        (parse_network, "container"),
        (parse_network, "container:"),
        (parse_network, "container:a b"),
        (parse_network, "containers:web"),
        (parse_pid, "shareable"),
        (parse_pid, "none"),
        (parse_uts, "none"),
        (parse_uts, "container:web"),
        (parse_users, "container:web"),
    ],
)
def test_other_words_are_refused_in_one_line(parse: Callable[[str], Sharing], text: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse(text)
    assert "\n" not in refused.value.message
