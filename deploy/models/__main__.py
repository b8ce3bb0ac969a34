"""Runs `python -m deploy.models`, another name of `perdure models`."""

from deploy.cli.app import end

if __name__ == "__main__":
    end("models")
