"""The command line of a checkout: `perdure` with the commands that need the platform, for operators and authors."""
