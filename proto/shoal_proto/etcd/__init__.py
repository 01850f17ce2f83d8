"""The part of etcd's version 3 API that Shoal uses."""
