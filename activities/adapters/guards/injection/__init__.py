"""A small classifier of prompt injections: its features and its weights."""
