"""Trains the guard against prompt injections, and measures its false alarms on honest texts."""
