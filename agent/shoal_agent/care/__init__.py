"""Care for the node: how full its disk and memory are, and what is removed or ended before they are exhausted."""
