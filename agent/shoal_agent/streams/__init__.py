"""Streams between a client and a container: output, terminals, executed commands."""
