"""What only the leader does: the loop that carries out the core's plans, and the sessions of the agents."""
