"""Reads PDF files: pages, lines, columns, tables and paragraphs."""
