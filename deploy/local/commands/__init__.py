"""The commands of `python -m deploy.local`, one file each."""
