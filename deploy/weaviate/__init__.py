"""Builds Weaviate's server once, and starts it on loopback beside the embedded stack."""
