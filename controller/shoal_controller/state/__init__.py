"""The cluster's state in etcd: client, keys, transactions, the watch-fed cache, election, sealed values."""
