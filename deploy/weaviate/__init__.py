"""Weaviate's server: built once, and started on loopback beside the embedded stack."""
