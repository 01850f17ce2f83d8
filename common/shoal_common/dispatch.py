"""What agents and controllers agree on for sessions, beside the messages."""

from __future__ import annotations

from typing import Final

#: Metadata of a call of `Session`: the address of the leader that this agent has just lost. A controller that still
#: takes it for the leader then waits for the next one, instead of sending the agent back there.
LOST_LEADER: Final = "lost-leader"
