"""Names for containers that were given none: an adjective and a sea creature, as Docker pairs people."""

from __future__ import annotations

import random
from typing import Final

#: The kernel's: programs that set a seed would all find the same names.
_random: Final = random.SystemRandom()
_ADJECTIVES: Final = (
    "able agile amber ample azure bold brave brisk bright broad busy calm candid casual cheerful clear clever coral "
    "cosmic cozy crisp curious daring deep deft eager early earnest easy elegant epic exact fair fancy fast fearless "
    "fine fleet fluent fond frank free fresh frosty funny gallant gentle giddy glad golden grand happy hardy hasty "
    "honest humble icy ideal jolly keen kind lively loyal lucid lucky lunar merry mighty modest neat nimble noble "
    "novel patient plucky polite proud quick quiet quirky rapid ready regal robust rosy royal rustic salty serene "
    "sharp shiny silent silver sleek sly smart snappy solar solid spry steady stoic sturdy sunny super sure swift "
    "tender tidy tidal trusty upbeat vast velvet vivid warm wary wise witty young zany zesty"
)
_CREATURES: Final = (
    "abalone anchovy angelfish barnacle barracuda barramundi beluga blenny bluefin bluegill bonito bream brill burbot "
    "butterfish capelin carp catfish char chub cichlid clam clownfish cobia cod conch cowrie crab crayfish cuttlefish "
    "dab dace dolphin dory dragonet dugong eel flounder garfish gar goby gourami grouper grunion gudgeon guppy "
    "gurnard haddock hagfish hake halibut herring hoki jellyfish killifish kipper krill lamprey limpet ling lionfish "
    "loach lobster lungfish mackerel mahi manatee manta marlin medaka minnow monkfish moray mullet mussel narwhal "
    "nautilus octopus opah orca oyster parrotfish perch pike pilchard plaice pollock pomfret porpoise prawn puffer "
    "ray remora roach rockfish sailfish salmon sandeel sardine scallop sculpin seabass seahorse seal shad shrimp "
    "skate smelt snapper sole sprat squid starfish sturgeon sunfish swordfish tang tarpon tench tetra tilapia "
    "triggerfish trout tuna turbot turtle urchin wahoo walrus whale whelk whiting wrasse zander"
)


def random_name() -> str:
    """Return a name such as "brisk_halibut_7c2e"; two are equal once in about a thousand million."""
    # Docker's server tries again when a pair is taken. Here the client must send the same name on a retry, so the
    # name has to be free at the first attempt: hence the digits.
    return f"{_random.choice(_ADJECTIVES.split())}_{_random.choice(_CREATURES.split())}_{_random.randbytes(2).hex()}"
