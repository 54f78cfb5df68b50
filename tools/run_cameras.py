"""From a folder of camera videos to cross-camera matches: `python tools/run_cameras.py --videos cams/`."""

import sys

import _checkout  # noqa: F401

from mtmc.cli import main

if __name__ == "__main__":
    sys.exit(main())
