"""Reads Markdown files and their front matter."""
