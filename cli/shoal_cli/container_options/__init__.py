"""What can be said of a container on the command line: a module for each subject."""
