"""The public gRPC services, and what stands before them: authentication, error mapping, the relay to agents."""
