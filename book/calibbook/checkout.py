"""Where things stand in a checkout of the repository: the one place of this package that counts folders."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Holds book/, calibprune/, notebooks/, params/, _config.yml and _toc.yml."""

PACKAGES = (ROOT / "calibprune", ROOT / "book" / "calibbook")
"""The source of what notebooks call: calibprune, and calibbook."""

PUBLISHED = ROOT / "book" / "results"
"""Results that are part of the repository."""
