"""What a container may be asked to be: how it is written, what it means, what is refused."""
