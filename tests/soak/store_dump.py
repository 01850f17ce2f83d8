"""Prints, as JSON, all keys of Shoal in the etcd on this host's loopback with their values: the host is etcd's."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from shoal_controller.state import keys
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV


async def main(url: str) -> None:
    """Print what is stored, all of it at one revision."""
    kv = EtcdKV(Endpoints.parse((url,)))
    try:
        async with asyncio.timeout(20):
            listing = await kv.list(keys.PREFIX)
    finally:
        await kv.close()
    print(json.dumps({entry.key: base64.b64encode(entry.value).decode() for entry in listing.entries}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
