"""What to say to those who ask for a command or a flag that Docker has and Shoal has not."""

from __future__ import annotations

from typing import Final

import click

_IMAGES: Final = "it is planned (until then: any registry's own tools, and shoal image import)"
_NETWORKS: Final = "networks of one's own are planned (containers of a node reach each other by address)"
_CLUSTER: Final = "shoal controller init makes a cluster, shoal cluster token and shoal agent let hosts join"

#: By the command's words.
COMMANDS: Final = {
    "pull": "shoal image pull fetches an image to nodes, and shoal run does so by itself",
    "import": "say shoal image import",
    "rmi": _IMAGES,
    **dict.fromkeys(("push", "tag", "save", "load", "history", "search", "login", "logout"), _IMAGES),
    **{f"image {name}": _IMAGES for name in ("rm", "remove", "push", "tag", "save", "load", "history")},
    **dict.fromkeys(("build", "image build"), "builds are planned (until then: shoal image import, or shoal commit)"),
    "network": _NETWORKS,
    **dict.fromkeys(("service", "stack", "secret", "config"), "services are planned"),
    "swarm": _CLUSTER,
    "node promote": "controllers are processes of their own",
    "node demote": "controllers are processes of their own",
    "node ps": "say shoal ps -a -f node=NODE",
    "system events": "say shoal events",
    "system info": "say shoal info",
    **{f"{kind} list": f"say shoal {kind} ls" for kind in ("image", "volume", "node", "context")},
    **{f"{kind} remove": f"say shoal {kind} rm" for kind in ("volume", "node")},
}

_RUN: Final = {
    **dict.fromkeys(("-a", "--attach"), "what is not detached is attached, with all its output"),
    **dict.fromkeys(("--cpu-period", "--cpu-quota"), "say --cpus"),
    "--gpus": "name the devices with --device",
    "--link": "share its network with --network container:NAME, or use its address",
    "--log-driver": "the node keeps logs, and shoal logs reads them",
    "--platform": "a node runs what it is",
    "--pull": "a name is always looked up in its registry, and a node fetches what it lacks",
    "--volume-driver": "there is only local",
    "--volumes-from": "name the volumes with --volume",
    **dict.fromkeys(("--ip", "--ip6", "--mac-address", "--network-alias", "--net-alias"), _NETWORKS),
}

#: By the command's words without "container", then by the flag.
FLAGS: Final = {
    "run": _RUN,
    "create": _RUN,
    "update": {name: _RUN[name] for name in ("--cpu-period", "--cpu-quota")},
    "stop": dict.fromkeys(("-s", "--signal"), "say --stop-signal when it is created, or shoal kill --signal"),
    "restart": dict.fromkeys(("-s", "--signal"), "say --stop-signal when it is created"),
    "exec": {"--privileged": "a command has what its container has"},
    "images": dict.fromkeys(("-a", "--all"), "there are no images without a name"),
    "image ls": dict.fromkeys(("-a", "--all"), "there are no images without a name"),
    "image import": {"--platform": "say --arch", **dict.fromkeys(("-c", "--change"), "each has a flag of its own")},
    "node update": {"--label-add": "say --label", "--availability": "say shoal node cordon, drain or uncordon"},
}


def instead(error: click.UsageError) -> str | None:
    """Return what to do instead, if `error` is that such a command or flag does not exist."""
    if error.ctx is None:
        return None
    words = error.ctx.command_path.split()[1:]
    if isinstance(error, click.NoSuchCommand):
        name = error.command_name
        hint = COMMANDS.get(" ".join([*words, name]))
    elif isinstance(error, click.NoSuchOption):
        name = error.option_name
        hint = FLAGS.get(" ".join(words).removeprefix("container "), {}).get(name)
    else:
        return None
    return f"{name} is Docker's and not there: {hint}" if hint is not None else None
