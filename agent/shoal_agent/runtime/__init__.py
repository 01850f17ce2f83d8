"""Running one container on this host: sandbox, root file system, cgroups, OCI bundle, conmon and the OCI runtime."""
