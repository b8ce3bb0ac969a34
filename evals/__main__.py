"""Runs `python -m evals`, another name of `perdure evals`."""

from deploy.cli.app import end

if __name__ == "__main__":
    end("evals")
