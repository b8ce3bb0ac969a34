"""Reads numbers and days as people write them."""
