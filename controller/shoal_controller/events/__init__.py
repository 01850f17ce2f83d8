"""Events at one controller: kept for a while, told to whoever watches. What they are is in core/events."""
