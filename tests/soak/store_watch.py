"""Prints all changes of Shoal's keys in etcd from revision 1 on, a JSON object a revision, for ever.

store_watch.py URL... [--tls CA CERTIFICATE KEY]
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from shoal_common.rpc_client import TlsFiles
from shoal_controller.state import keys
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV


def endpoints(words: Sequence[str]) -> Endpoints:
    """Return the endpoints that command-line arguments name."""
    if "--tls" not in words:
        return Endpoints.parse(words)
    at = words.index("--tls")
    ca, certificate, key = map(Path, words[at + 1 : at + 4])
    return Endpoints.parse(words[:at], TlsFiles(ca=ca, certificate=certificate, key=key))


async def main(words: Sequence[str]) -> None:
    """Print the history."""
    kv = EtcdKV(endpoints(words))
    async for batch in kv.watch(keys.PREFIX, after=0):
        events = [
            [each.key, None if each.value is None else base64.b64encode(each.value).decode(), each.lease]
            for each in batch.events
        ]
        print(json.dumps([batch.revision, events]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
