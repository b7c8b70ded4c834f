"""Pages as a headless browser shows them."""

import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=6000"
).split()


def dom_of(page: Path, profile: Path, fragment: str = "", width: int = 1200) -> str:
    """What the page has become when its script has run, as HTML."""
    assert CHROMIUM is not None
    address = f"file://{page}{'#' + fragment if fragment else ''}"
    size = f"--window-size={width},900"
    command = [CHROMIUM, *_OPTIONS, size, f"--user-data-dir={profile}", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
