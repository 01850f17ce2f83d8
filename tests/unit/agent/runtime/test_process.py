import pytest

from shoal_agent.runtime.process import DEFAULT_PATH, resolve
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.image_pb2 import ImageConfig
from shoal_proto.v1.resources_pb2 import StringList

ID = "0123456789abcdef" * 4
IMAGE = ImageConfig(entrypoint=["/entry"], cmd=["a", "b"], env=["PATH=/bin", "X=1"], working_dir="/srv", user="web")


@pytest.mark.parametrize(
    ("entrypoint", "args", "expected"),
    [
        (None, [], ("/entry", "a", "b")),
        (None, ["c"], ("/entry", "c")),
        (["own"], [], ("own",)),
        (["own", "-x"], ["c"], ("own", "-x", "c")),
        ([], [], ("a", "b")),
        ([], ["c"], ("c",)),
        ([""], ["c"], ("c",)),
    ],
)
def test_command_is_joined_as_docker_joins_it(
    entrypoint: list[str] | None, args: list[str], expected: tuple[str, ...]
) -> None:
    config = ContainerConfig(args=args)
    if entrypoint is not None:
        config.entrypoint.CopyFrom(StringList(values=entrypoint))
    assert resolve(config, [], IMAGE, ID).args == expected


def test_a_cleared_entry_point_without_command_is_refused() -> None:
    config = ContainerConfig(image="web:1", entrypoint=StringList(values=[""]))
    with pytest.raises(InvalidSpec, match='image "web:1" names no command'):
        resolve(config, [], IMAGE, ID)


def test_environment_is_the_users_over_the_images_over_the_defaults() -> None:
    process = resolve(ContainerConfig(), ["X=2", "Y=a=b", "Y=c"], IMAGE, ID)
    assert process.env == ("PATH=/bin", "HOSTNAME=0123456789ab", "X=2", "Y=c")
    assert resolve(ContainerConfig(), ["X"], ImageConfig(cmd=["x"], env=["X=1"]), ID).env == (
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=0123456789ab",
    )


def test_the_image_says_what_the_user_does_not() -> None:
    process = resolve(ContainerConfig(), [], IMAGE, ID)
    assert (process.cwd, process.user, process.hostname, process.stop_signal) == ("/srv", "web", "0123456789ab", 15)
    config = ContainerConfig(working_dir="//a/../b/", user="0", hostname="box", stop_signal="quit")
    process = resolve(config, [], IMAGE, ID)
    assert (process.cwd, process.user, process.hostname, process.stop_signal) == ("/b", "0", "box", 3)


@pytest.mark.parametrize(
    ("config", "env"),
    [
        (ContainerConfig(working_dir="srv"), []),
        (ContainerConfig(), ["=x"]),
        (ContainerConfig(), ["A=\0"]),
        (ContainerConfig(args=["a\0b"]), []),
        (ContainerConfig(stop_signal="SIGNOPE"), []),
    ],
)
def test_what_can_never_run_is_refused(config: ContainerConfig, env: list[str]) -> None:
    with pytest.raises(InvalidSpec):
        resolve(config, env, IMAGE, ID)
