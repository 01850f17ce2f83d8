"""What programs ask for of a container's confinement, as the message that it becomes."""

from __future__ import annotations

import json

import pytest

from shoal.options import configure
from shoal_common.containers.devices import Device
from shoal_common.containers.ulimits import Ulimit
from shoal_common.errors import InvalidSpec


def test_options_become_the_message() -> None:
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW"})
    config = configure(
        "web:3",
        (),
        {
            "cap_add": ["cap_net_admin"],
            "cap_drop": ["all"],
            "groups": ["audio"],
            "ulimits": ["nofile=1", Ulimit("core", 0, -1), "nofile=2:3"],
            "sysctls": {"net.core.somaxconn": "7"},
            "devices": ["/dev/fuse:r", Device("/dev/kvm", "/dev/own")],
            "seccomp": profile,
            "privileged": True,
        },
    )
    security = config.security
    assert (list(security.cap_add), list(security.cap_drop)) == (["NET_ADMIN"], ["ALL"])
    assert (security.privileged, security.seccomp_profile, security.new_privileges) == (True, profile, False)
    assert [(each.name, each.soft, each.hard) for each in config.ulimits] == [("nofile", 2, 3), ("core", 0, -1)]
    assert [(each.source, each.target, each.permissions) for each in config.devices] == [
        ("/dev/fuse", "/dev/fuse", "r"),
        ("/dev/kvm", "/dev/own", "rwm"),
    ]
    assert (list(config.groups), dict(config.sysctls)) == (["audio"], {"net.core.somaxconn": "7"})


def test_what_says_nothing_of_it_sends_nothing_of_it() -> None:
    assert not configure("web:3", (), {}).HasField("security")
    assert configure("web:3", (), {"seccomp": "unconfined"}).security.seccomp_unconfined


def test_what_can_never_be_right_is_refused_without_the_cluster() -> None:
    with pytest.raises(InvalidSpec):
        configure("web:3", (), {"cap_add": ["FLY"]})
    with pytest.raises(InvalidSpec):
        configure("web:3", (), {"sysctls": {"kernel.panic": "1"}})
    with pytest.raises(InvalidSpec):
        configure("web:3", (), {"seccomp": "{}"})
    with pytest.raises(InvalidSpec):
        configure("web:3", (), {"ulimits": [Ulimit("core", 2, 1)]})
