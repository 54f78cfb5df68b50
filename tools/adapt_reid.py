"""Fine-tune on a run without labels: `python tools/adapt_reid.py RUN [--weights FILE] [--out DIR]`."""

import sys

import _checkout  # noqa: F401

from reid_models.adaptation.command import main

if __name__ == "__main__":
    sys.exit(main())
