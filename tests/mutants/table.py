"""The mutants: one thing left out or turned round in the product, and the one test that must notice.

Each stands for a mistake that somebody could make while tidying up. A text that is not in its file any more fails the
run: bring the entry up to date with the code, or take it out together with what it guarded.
"""

from __future__ import annotations

from typing import Final

from tests.mutants.agent import AGENT
from tests.mutants.care import CARE
from tests.mutants.confinement import CONFINEMENT
from tests.mutants.controllers import CONTROLLERS
from tests.mutants.copying import COPYING
from tests.mutants.core import CORE
from tests.mutants.inspection import INSPECTION
from tests.mutants.leader import LEADER
from tests.mutants.life import LIFE
from tests.mutants.limits import LIMITS
from tests.mutants.logs import LOGS
from tests.mutants.mutant import Mutant
from tests.mutants.nodes import NODES
from tests.mutants.observation import OBSERVATION
from tests.mutants.ports import PORTS
from tests.mutants.recovery import RECOVERY
from tests.mutants.requests import REQUESTS
from tests.mutants.sharing import SHARING
from tests.mutants.store import STORE
from tests.mutants.terminals import TERMINALS
from tests.mutants.volumes import VOLUMES

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: Final = (
    *STORE,
    *CORE,
    *LEADER,
    *AGENT,
    *OBSERVATION,
    *RECOVERY,
    *NODES,
    *CONTROLLERS,
    *LIFE,
    *LIMITS,
    *LOGS,
    *PORTS,
    *COPYING,
    *REQUESTS,
    *CONFINEMENT,
    *VOLUMES,
    *SHARING,
    *TERMINALS,
    *INSPECTION,
    *CARE,
)
