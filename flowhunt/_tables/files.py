"""Atomic writes: a file is replaced only by a complete one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from flowhunt._tables.locations import target_of


@contextmanager
def atomic_write(file: Path) -> Generator[BinaryIO, None, None]:
    """A temporary file, which replaces ``file`` once the block has finished without an error.

    A symbolic link stays: the file that it leads to is replaced. So do the permissions of a file.
    """
    file = target_of(file)
    temporary = file.with_name(f".flowhunt-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as out:
            with suppress(FileNotFoundError):
                shutil.copymode(file, temporary)
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
