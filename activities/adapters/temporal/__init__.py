"""Temporal through its client: connections, payloads in the blob store, executions and worker versions."""
