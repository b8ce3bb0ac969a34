"""The module `python -m deploy.cli`: the same as `.venv/bin/perdure`."""

from deploy.cli.app import end

if __name__ == "__main__":
    end()
