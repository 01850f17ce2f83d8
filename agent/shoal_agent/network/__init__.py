"""This node's part of the cluster's networks: bridge, addresses, NAT."""
