"""Heartbeats: a thread and a connection of their own, so that nothing the agent does keeps them waiting."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final

import grpc

from shoal_agent.cluster.channels import patience
from shoal_common import rpc_errors
from shoal_common.errors import NotFound, NotLeader, Revoked, Superseded
from shoal_common.identity import CONTROLLER_NAME
from shoal_common.rpc_client import TlsFiles, secure_sync_channel
from shoal_proto.v1.dispatcher_pb2 import HeartbeatRequest
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub

log = logging.getLogger(__name__)

#: Seconds that one beat may take, one for which the connection has to be made among many, and between beats that fail.
DEADLINE: Final = 1.5
FIRST_DEADLINE: Final = 3.0
RETRY: Final = 0.5
#: Seconds without an answer after which the session's connection is not trusted either.
SILENCE: Final = 3.0
#: Seconds between heartbeats up to which there are few enough nodes for all to come at once. Above it their number
#: makes the interval: the nodes spread over the same time, and are patient, when they have to find another leader.
AT_ONCE: Final = 2.0


def deadline_of_new(failures: int, interval: float, *, met: bool) -> float:
    """Return the seconds that a beat may take for which the connection has to be made.

    Among thousands a controller that lives may take long over handshakes; among few, one that answered before and does
    not within a beat's time was stopped in its tracks, and what waits for its follower waits for this.

    Args:
        failures: in a row.
        interval: seconds between beats, as the leader told.
        met: the controller has answered a beat of this session.
    """
    if interval <= AT_ONCE:
        return DEADLINE if met else FIRST_DEADLINE
    return patience(failures, least=FIRST_DEADLINE)


class Heartbeat:
    """Beats to one controller until told another.

    Args:
        reopen: called, from the thread, when the session has to be opened anew: the controller does not know it (any
            more), or has not answered for a while, which is what its argument says. A connection that was cut may
            look whole for minutes.
    """

    def __init__(self, tls: TlsFiles, process_id: str, reopen: Callable[[bool], None]) -> None:
        self._tls = tls
        self._process_id = process_id
        self._reopen = reopen
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._target: str | None = None
        self._interval = 1.0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._ended = True
        self._changed.set()
        self._thread.join(2 * DEADLINE)

    def beat(self, address: str, interval: float) -> None:
        """Beat to `address` from now on, every `interval` seconds until an answer says otherwise."""
        with self._lock:
            self._target, self._interval = address, interval
        self._changed.set()

    def pause(self) -> None:
        """Stop beating: there is no session."""
        with self._lock:
            self._target = None
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            with self._lock:
                target, interval, ended = self._target, self._interval, self._ended
            if ended:
                return
            if target is not None:
                try:
                    self._beat_to(target, interval)
                except Exception:
                    log.exception("heartbeats to controller %s failed", target)
                    self._reopen(False)

    def _beat_to(self, target: str, interval: float) -> None:
        """Beat until something changes."""
        # The session's hello was as good as a beat. After a change of leader all nodes come: spread, they are served.
        self._changed.wait(random.uniform(0, interval))
        answered = time.monotonic()
        silent, met, failures = False, False, 0
        while not self._changed.is_set():
            # After a failure the old connection may be waiting for minutes in the kernel: a new one is tried.
            deadline = deadline_of_new(failures, interval, met=met)
            with secure_sync_channel(target, self._tls, CONTROLLER_NAME, connect=deadline) as channel:
                stub = DispatcherServiceStub(channel)
                while not self._changed.is_set():
                    try:
                        reply = stub.Heartbeat(HeartbeatRequest(process_id=self._process_id), timeout=deadline)
                    except grpc.RpcError as raised:
                        error = rpc_errors.from_rpc_error(raised, peer=f"controller {target}")
                        if isinstance(error, NotFound | NotLeader | Revoked | Superseded):
                            log.info("controller %s refuses a heartbeat: %s", target, error)
                            self._reopen(False)
                            self._changed.wait()
                            return
                        if not silent:
                            log.warning("heartbeat: %s", error)
                        silent, failures = True, failures + 1
                        if failures > 1 and time.monotonic() - answered > SILENCE:
                            # It may have been stopped in its tracks, or be cut off, and another one lead by now.
                            self._reopen(True)
                            self._changed.wait()
                            return
                        break
                    if silent:
                        log.info("controller %s answers heartbeats again", target)
                    silent, met, failures, answered, deadline = False, True, 0, time.monotonic(), DEADLINE
                    if reply.next_ms:
                        interval = reply.next_ms / 1000
                    self._changed.wait(interval)
            if failures > 1:
                self._changed.wait(RETRY)
