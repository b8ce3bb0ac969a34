"""What the commands of the embedded stack do, one file each; `deploy/cli/` makes commands of them."""
