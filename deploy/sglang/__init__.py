"""Serves models by SGLang: launch profiles for machines with GPUs, and the real server on a CPU for the tests."""
