"""How contracts travel through Temporal: payloads, connection, task queues and search attributes."""
