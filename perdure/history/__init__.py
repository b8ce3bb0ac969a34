"""Reads a run's history: its timeline, its replies in a few words, and the point from which it can go on."""
