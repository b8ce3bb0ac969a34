"""Runs the processes of a deployment: their ports, logs, state on disk and locks, and the errors of commands."""
