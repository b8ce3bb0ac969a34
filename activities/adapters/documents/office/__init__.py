"""Reads office files: archives of XML parts."""
