"""`shoal lab demo`: the main job, shown with the commands that a person would type."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Final

import click

from shoal_common.errors import Conflict, NotFound, Unavailable
from shoal_lab.cluster import Lab, Plan, default_capacity
from shoal_lab.daemons import SHOAL
from shoal_lab.image import SERVE, root_filesystem
from shoal_lab.layout import Layout

IMAGE: Final = "demo/web:1"
_LAB: Final = "lab"


async def show(nodes: int) -> None:
    """Run the demo; leaves the lab up.

    Raises:
        Conflict: a step did not do what it should.
    """
    lab = await _lab(nodes)
    names = [f"web-{number}" for number in range(1, 2 * lab.layout.nodes + 1)]
    with tempfile.TemporaryDirectory(prefix="shoal-demo-") as folder:
        archive = Path(folder) / "web.tar"
        archive.write_bytes(root_filesystem())
        _say("An image: busybox with a page for its web server, imported into the cluster's registry")
        await _shoal("image", "import", str(archive), IMAGE, "--cmd", f'["sh", "-c", {_json(SERVE)}]')
    await _shoal("image", "ls")
    await _remove_leftovers(names)

    _say(f"{len(names)} containers from it, wherever there is room")
    for name in names:
        await _shoal("run", "-d", "--name", name, "--memory", "64m", IMAGE)
    await _shoal("node", "ls")
    await _shoal("ps")

    _say("Each serves its page on port 80 of its own address, fetched here through its node")
    places = await _places(lab, names)
    for name, (node, address) in places.items():
        await _fetch(name, node, address)
    await _shoal("logs", names[0])
    await _shoal("exec", names[0], "ps")

    victim = places[names[0]][0]
    _say(f"Killing the agent of {victim}: its containers live on, and the next agent takes them over")
    await _shoal("lab", "kill", victim)
    await _fetch(names[0], *places[names[0]])
    await _shoal("lab", "start", victim)
    await _adopted(lab, names[0])
    await _shoal("exec", names[0], "hostname")
    await _shoal("ps")

    _say("Stopping and removing")
    await _shoal("stop", "-t", "1", names[0])
    await _shoal("rm", names[0])
    await _shoal("rm", "-f", *names[1:])
    await _shoal("ps", "-a")
    click.echo()
    shoal = "shoal" if shutil.which("shoal") else os.path.relpath(SHOAL)
    click.echo(f"The lab is still up. Try: {shoal} run --rm {IMAGE} sh -c 'echo hello from $(hostname)'")
    click.echo(f"End it with: {shoal} lab down")


def _say(line: str) -> None:
    click.secho(f"\n# {line}", bold=True)


def _json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _lab(nodes: int) -> Lab:
    try:
        return Lab.load(_LAB)
    except NotFound:
        _say(f"A cluster of {nodes} nodes on this machine")
        click.echo(f"$ shoal lab up --nodes {nodes}")
        plan = Plan(Layout(name=_LAB, subnet="10.77.0.0/24", nodes=nodes), default_capacity(nodes))
        lab = Lab(plan, click.echo)
        await lab.up()
        return lab


async def _shoal(*words: str) -> None:
    click.echo(f"$ shoal {shlex.join(words)}")
    process = await asyncio.create_subprocess_exec(
        SHOAL, *words, env={**os.environ, "SHOAL_CONTEXT": _LAB}, stdin=asyncio.subprocess.DEVNULL
    )
    if await process.wait() != 0:
        raise Conflict(f"shoal {words[0]} ended with {process.returncode} (see what it says above)")


async def _remove_leftovers(names: list[str]) -> None:
    # Of a demo that was broken off.
    async with Lab.load(_LAB).connect() as cluster:
        for name in names:
            try:
                await cluster.containers.remove(name, force=True)
            except NotFound:
                continue


async def _places(lab: Lab, names: list[str]) -> dict[str, tuple[str, str]]:
    async with lab.connect() as cluster:
        containers = [await cluster.containers.get(name) for name in names]
    return {each.spec.name: (each.node_name, each.placement.addresses[0].ip) for each in containers}


async def _fetch(name: str, node: str, address: str) -> None:
    words = ["lab", "exec", node, "--", "timeout", "5", "busybox", "wget", "-qO-", f"http://{address}/"]
    click.echo(f"$ shoal {shlex.join(words)}")
    process = await asyncio.create_subprocess_exec(SHOAL, *words, stdout=asyncio.subprocess.PIPE)
    page = (await process.communicate())[0].decode().strip()
    if process.returncode != 0 or not page.startswith("Hello from "):
        raise Conflict(f"container {name} at {address} on {node} does not serve its page")
    click.echo(page)


async def _adopted(lab: Lab, name: str) -> None:
    """Wait until the restarted agent answers for a container that it found running."""
    async with lab.connect() as cluster, asyncio.timeout(30):
        while True:
            try:
                async with cluster.containers.exec(name, ["true"]) as process:
                    await process.wait()
                return
            except Unavailable:
                await asyncio.sleep(0.1)
