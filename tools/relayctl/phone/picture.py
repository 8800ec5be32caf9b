"""Write a lock screen into a file: SVG, or PNG if there is a Chromium that draws it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from relayctl.phone.lock_screen import LockScreen
from relayctl.phone.svg import Picture, picture

SUFFIXES: Final = (".svg", ".png")
#: The names of Chromium's program.
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT_SECS: Final = 60
#: Pixels of a PNG for each pixel of the SVG.
_SCALE: Final = 2


class PictureError(Exception):
    """A picture cannot be written. The text has the reason, and what to do instead."""


def write_picture(screen: LockScreen, file: Path) -> None:
    """Write a picture in the format of the file's suffix. Raises PictureError."""
    drawn = picture(screen)
    try:
        if file.suffix == ".svg":
            file.write_text(drawn.svg, "utf-8")
        else:
            _write_png(drawn, file)
    except OSError as exc:
        raise PictureError(f"{file}: cannot be written: {exc.strerror}") from None


def find_chromium() -> str | None:
    """Return the path of the Chromium that CHROMIUM names, or of the first one on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


def _write_png(drawn: Picture, file: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        raise PictureError(
            f"{file}: Chromium draws a PNG, and none is installed. "
            f"Write {file.with_suffix('.svg').name} instead, "
            f"install {' or '.join(CHROMIUM_NAMES)}, or set CHROMIUM to its path"
        )
    with tempfile.TemporaryDirectory(prefix="relayctl-") as directory:
        drawing, image = Path(directory) / "phone.svg", Path(directory) / "phone.png"
        drawing.write_text(drawn.svg, "utf-8")
        command = [
            *(chromium, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            # As root, Chromium starts only without its sandbox. The drawing is our own.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={directory}/profile",
            f"--force-device-scale-factor={_SCALE}",
            f"--window-size={drawn.width},{drawn.height}",
            "--default-background-color=00000000",
            f"--screenshot={image}",
            drawing.as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECS, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise PictureError(f"{file}: {chromium} does not draw it: {exc}") from None
        if done.returncode or not image.is_file():
            raise PictureError(f"{file}: {chromium} does not draw it (exit code {done.returncode})")
        shutil.copyfile(image, file)
