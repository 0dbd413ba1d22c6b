"""Hooks that PyInstaller runs: files and modules of the package that no import names."""

from __future__ import annotations

from pathlib import Path


def hook_directories() -> list[str]:
    """The folders of the hooks, for the entry point ``pyinstaller40``."""
    return [str(Path(__file__).parent)]
