"""The commands, which are imported by their names."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("flowhunt.cli._commands")
