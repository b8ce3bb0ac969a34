"""The adapters of Temporal's client: connections, payloads in the blob store, executions and worker versions."""
