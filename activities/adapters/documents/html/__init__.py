"""Reads HTML: the article of a page, its tables and its text."""
