"""Streams between a client and the agent of a container, and the connections that carry them."""
