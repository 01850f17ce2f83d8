"""Prints, as JSON, all keys of Shoal in the etcd on this host's loopback, with revisions and leases.

Runs in the host of etcd: nothing else can reach it there.
"""

from __future__ import annotations

import asyncio
import json
import sys

from shoal_controller.state import keys
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV


async def main(url: str, revision: int) -> None:
    """Print what is stored, or was at a revision (0: now)."""
    kv = EtcdKV(Endpoints.parse((url,)))
    try:
        listing = await kv.list(keys.PREFIX, revision=revision)
    finally:
        await kv.close()
    found = {
        entry.key.removeprefix(keys.PREFIX): {
            "created": entry.create_revision,
            "lease": entry.lease,
            "revision": entry.mod_revision,
        }
        for entry in listing.entries
    }
    print(json.dumps({"keys": found, "revision": listing.revision}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
