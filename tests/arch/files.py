"""The files of the checkout: those that a person wrote, without what was built, cached or recorded."""

import subprocess
from pathlib import Path

from activities.settings import ROOT

GENERATED = (".git", ".venv", "var", "dist", "build", "__pycache__", "node_modules")


def written() -> list[Path]:
    """Return every file that is tracked or could be; without git every file outside generated folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _generated(path.relative_to(ROOT))]
    return sorted(path for path in paths if path.is_file())


def _generated(path: Path) -> bool:
    return any(part in GENERATED or part.endswith(("_cache", ".egg-info")) for part in path.parts)


def text_of(path: Path) -> str | None:
    """Return a file's text; None for a file that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
