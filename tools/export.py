"""The embedder as an ONNX file, compared with torch: `python tools/export.py --out embedder.onnx`."""

import sys

import _checkout  # noqa: F401

from mtmc.export_cli import main

if __name__ == "__main__":
    sys.exit(main())
