"""The hosts of the cluster, and what operators say of them."""
