"""Run a container, print what it writes, remove it: python examples/run_and_follow.py IMAGE COMMAND [ARGUMENT]..."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing

import shoal


async def main(image: str, args: list[str]) -> int:
    """Return the container's exit code."""
    async with shoal.connect() as cluster:
        container = await cluster.containers.run(image, args, memory="64m", labels={"example": "run_and_follow"})
        try:
            async with aclosing(cluster.containers.logs(container.spec.id, follow=True, run=1)) as entries:
                async for entry in entries:
                    sys.stdout.buffer.write(entry.data)
                    sys.stdout.flush()
            return (await cluster.containers.wait(container.spec.id, run=1)).exit_code
        finally:
            await cluster.containers.remove(container.spec.id, force=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
