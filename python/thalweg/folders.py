"""Folders of runs that nobody named."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref


class TemporaryFolder:
    """A folder that goes when its last user does."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="thalweg-")
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: str, process: int) -> None:
    if os.getpid() == process:  # not by a forked child
        shutil.rmtree(path, ignore_errors=True)
