"""The platform's commands, which `perdure` has in a checkout."""
