"""Rebuilds the exact prompts of a recorded run, as a tool for operators."""
