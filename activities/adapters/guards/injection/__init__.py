"""A small classifier of prompt injections: its features, its weights, and how they are trained."""
