"""The equipment of tests: a whole stack on loopback, workers that may be killed, and a stub model."""
