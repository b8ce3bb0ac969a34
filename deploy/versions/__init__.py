"""Manages the versions of workers: which one begins new runs, and which still have running ones."""
