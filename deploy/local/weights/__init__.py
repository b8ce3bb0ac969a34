"""The embedded models' files: where they come from, and their check by SHA-256."""
