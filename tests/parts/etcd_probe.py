"""Prints, as JSON, all keys of Shoal in a lab's etcd, with values (base64), revisions and leases."""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from shoal_controller.state import keys
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_lab import daemons, store_pki
from shoal_lab.cluster import Lab


def endpoints(lab: Lab) -> Endpoints:
    """Return the members of a lab's etcd, as its controllers reach them."""
    urls = [daemons.etcd_url(host) for host in lab.layout.running("etcd")]
    return Endpoints.parse(urls, store_pki.client(lab.layout))


async def main(lab: str, revision: int) -> None:
    """Print what is stored, or was at a revision (0: now), all of it at one revision."""
    kv = EtcdKV(endpoints(Lab.load(lab)))
    try:
        async with asyncio.timeout(20):
            listing = await kv.list(keys.PREFIX, revision=revision)
    finally:
        await kv.close()
    found = {
        entry.key.removeprefix(keys.PREFIX): {
            "created": entry.create_revision,
            "lease": entry.lease,
            "revision": entry.mod_revision,
            "value": base64.b64encode(entry.value).decode(),
        }
        for entry in listing.entries
    }
    print(json.dumps({"keys": found, "revision": listing.revision}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
