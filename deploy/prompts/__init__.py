"""Rebuilds the exact prompts of a recorded run, for operators."""
