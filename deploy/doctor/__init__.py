"""Checks everything that a platform needs: what is wrong, and what to do, in a line each."""
