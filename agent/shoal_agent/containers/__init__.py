"""The containers of this node: a worker each, what it remembers, and the host it acts on."""
