"""How long a cluster of several controllers takes to serve again after one of its processes was killed."""
