"""Runs `python -m deploy.local`, another name of `perdure`."""

from deploy.cli.app import end

if __name__ == "__main__":
    end()
