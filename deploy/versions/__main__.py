"""Runs `python -m deploy.versions`, another name of `perdure versions`."""

from deploy.cli.app import end

if __name__ == "__main__":
    end("versions")
