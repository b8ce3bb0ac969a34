"""Measures what the platform answers: data sets, scorers, reports."""
