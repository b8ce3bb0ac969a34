"""The embedded stack: Temporal, a model server and a worker on one machine, all on loopback."""
