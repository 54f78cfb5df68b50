"""A run in one small file, and back: `python tools/archive_run.py compress RUN FILE`, `restore FILE OUT`."""

import sys

import _checkout  # noqa: F401

from mtmc.archive.command import main

if __name__ == "__main__":
    sys.exit(main())
