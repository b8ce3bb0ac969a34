"""The processes of the embedded stack, and the supervisor that starts, watches and stops them."""
