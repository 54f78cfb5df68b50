"""Fit an encoding: `python tools/fit_encoding.py --encoding vlad --data runs/cams --out vlad.safetensors`."""

import sys

import _checkout  # noqa: F401

from reid_models.encodings.command import main

if __name__ == "__main__":
    sys.exit(main())
