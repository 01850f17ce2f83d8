"""Running containers in their sandboxes: bundle, confinement, cgroups, conmon and the OCI runtime, exec, logs."""
