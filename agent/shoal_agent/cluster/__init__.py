"""What ties a node to its cluster: joining, the session with the leader, heartbeats."""
