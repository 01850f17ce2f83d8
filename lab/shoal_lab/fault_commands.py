"""`shoal lab kill` and its kind: faults of daemons, of hosts and of their network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import click

from shoal_lab.loading import load, name_option, run

if TYPE_CHECKING:
    from shoal_lab.cluster import Lab


def _of_daemons(act: str, done: str, summary: str, examples: tuple[str, ...]) -> click.Command:
    """Return a command that does something to daemons: all have one shape."""

    @click.command(act)
    @click.argument("words", nargs=-1, required=True, metavar="HOST [DAEMON]...")
    @name_option
    def command(words: tuple[str, ...], name: str) -> None:
        loaded = load(name)

        async def work() -> None:
            for target in loaded.layout.targets(words):
                changed: list[str] = await getattr(loaded, act)(target)
                click.echo(f"{target.partition('/')[0]}: {done} ({', '.join(changed) or 'nothing to do'})")

        run(work())

    shown = "\n".join(f"  {example}" for example in examples)
    command.help = (
        f"{summary}\n\nHOST alone means all of its daemons; control1/etcd and control1 etcd are the same.\n\n"
        f"\b\nExamples:\n{shown}"
    )
    return command


def _of_hosts(hosts: tuple[str, ...], name: str, done: str, act: Callable[[Lab, str], Awaitable[object]]) -> None:
    loaded = load(name)

    async def work() -> None:
        for host in hosts:
            await act(loaded, host)
            click.echo(f"{host}: {done}")

    run(work())


_hosts = click.argument("hosts", nargs=-1, required=True, metavar="HOST...")


@click.command()
@_hosts
@click.option("--from", "peer", default="", metavar="HOST2", help="Only from this other host.")
@click.option("--one-way", "way", type=click.Choice(["in", "out"]), help="Lose only what comes in, or what goes out.")
@name_option
def partition(hosts: tuple[str, ...], peer: str, way: str | None, name: str) -> None:
    """Cut hosts off the network, until they are healed.

    Without options the cable is cut; with them, packets are lost at HOST.

    \b
    Examples:
      shoal lab partition node2
      shoal lab partition control1 --from control2
      shoal lab partition control1 --one-way in
    """
    from shoal_lab.network import Way

    chosen = Way(way or "")
    _of_hosts(hosts, name, "cut off", lambda lab, host: lab.partition(host, peer=peer, way=chosen))


@click.command()
@_hosts
@click.option("--from", "peer", default="", metavar="HOST2", help="Join it only to this other host again.")
@name_option
def heal(hosts: tuple[str, ...], peer: str, name: str) -> None:
    """Join hosts to the network again, at full speed.

    \b
    Examples:
      shoal lab heal node2
      shoal lab heal control1 --from control2
    """
    _of_hosts(hosts, name, "joined", lambda lab, host: lab.heal(host, peer=peer))


@click.command()
@_hosts
@click.option("--rate", required=True, metavar="RATE", help="How fast it is then, such as 1mbit or 500kbit.")
@click.option(
    "--delay", default=400, show_default=True, metavar="MS", help="How long a packet waits for its turn at most."
)
@name_option
def slow(hosts: tuple[str, ...], rate: str, delay: int, name: str) -> None:
    """Slow the cables of hosts down in both directions, until they are healed.

    \b
    Examples:
      shoal lab slow node2 --rate 1mbit
      shoal lab slow control1 --rate 500kbit --delay 2000
    """
    _of_hosts(hosts, name, f"slow ({rate})", lambda lab, host: lab.slow(host, rate, delay_ms=delay))


@click.command()
@_hosts
@name_option
def reboot(hosts: tuple[str, ...], name: str) -> None:
    """Reboot hosts: everything in them ends at once, then their daemons start.

    \b
    Examples:
      shoal lab reboot node1
    """
    _of_hosts(hosts, name, "rebooted", lambda lab, host: lab.reboot(host))


FAULTS: Final[tuple[click.Command, ...]] = (
    _of_daemons(
        "kill",
        "killed",
        "Kill daemons with SIGKILL. Containers live on.",
        ("shoal lab kill node1", "shoal lab kill control2 etcd"),
    ),
    _of_daemons(
        "stop",
        "stopped",
        "Stop daemons in good order. Containers live on.",
        ("shoal lab stop node1", "shoal lab stop control1/controller"),
    ),
    _of_daemons(
        "start",
        "started",
        "Start daemons that don't run.",
        ("shoal lab start node1", "shoal lab start control2 etcd"),
    ),
    _of_daemons(
        "pause",
        "paused",
        "Stop daemons in their tracks with SIGSTOP: their connections stay open, and nothing answers.",
        ("shoal lab pause control1 controller", "shoal lab pause node2"),
    ),
    _of_daemons("resume", "going on", "Let paused daemons go on.", ("shoal lab resume control1 controller",)),
    partition,
    heal,
    slow,
    reboot,
)
