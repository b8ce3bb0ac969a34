"""Paid calls of models: recorded before they are made, and saved before they are acknowledged."""
