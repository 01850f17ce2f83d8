"""A whole cluster on one machine: network namespaces as hosts, real daemons in them."""
