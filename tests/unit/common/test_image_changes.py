"""Changes of an image's configuration, as a Dockerfile has them."""

from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec
from shoal_common.image_changes import apply_changes
from shoal_proto.v1.image_pb2 import ImageConfig


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ('CMD ["a", "b c"]', ImageConfig(cmd=["a", "b c"])),
        ("cmd echo hello", ImageConfig(cmd=["/bin/sh", "-c", "echo hello"])),
        ("ENTRYPOINT []", ImageConfig()),
        ('ENTRYPOINT ["/x"]', ImageConfig(entrypoint=["/x"])),
        ('ENV A=b C="d e"', ImageConfig(env=["A=b", "C=d e"])),
        ("ENV A b c", ImageConfig(env=["A=b c"])),
        ("EXPOSE 80 53/udp", ImageConfig(exposed_ports=["53/udp", "80/tcp"])),
        ("LABEL tier=front", ImageConfig(labels={"tier": "front"})),
        ("USER nobody:nogroup", ImageConfig(user="nobody:nogroup")),
        ("WORKDIR www", ImageConfig(working_dir="/www")),
        ('VOLUME ["/data/", "/logs"]', ImageConfig(volumes=["/data", "/logs"])),
    ],
)
def test_an_instruction_changes_what_it_says(change: str, expected: ImageConfig) -> None:
    config = ImageConfig()
    apply_changes(config, [change])
    assert config == expected


def test_instructions_go_over_what_is_there_one_after_the_other() -> None:
    config = ImageConfig(env=["A=old", "B=kept"], working_dir="/srv", exposed_ports=["80/tcp"])
    apply_changes(config, ["ENV A=new", "WORKDIR a", "WORKDIR b", "EXPOSE 80", "EXPOSE 81"])
    assert list(config.env) == ["A=new", "B=kept"]
    assert config.working_dir == "/srv/a/b"
    assert list(config.exposed_ports) == ["80/tcp", "81/tcp"]


@pytest.mark.parametrize(
    "change",
    [
        *(
            "",
            "RUN x",
            "ONBUILD RUN x",
            "CMD",
            'CMD ["a", 1]',
            "CMD [a]",
            "ENV",
            "ENV =b",
            'ENV "A',
            "EXPOSE",
            "EXPOSE x",
        ),
        *(
            "EXPOSE 65536",
            "EXPOSE 80/xyz",
            "USER",
            "USER a b",
            "WORKDIR",
            "WORKDIR a b",
            "VOLUME",
            "VOLUME data",
            "LABEL",
            f"CMD {'[' * 100_000}",
        ),
    ],
)
def test_what_is_no_instruction_is_refused_in_a_line(change: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        apply_changes(ImageConfig(), [change])
    assert "\n" not in refused.value.message
