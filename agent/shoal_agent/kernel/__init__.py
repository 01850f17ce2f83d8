"""Linux as the rest of the agent calls it: system calls, mounts, inotify, processes. Knows no container."""
