"""What can be read from a run's features? `python tools/privacy_audit.py RUN [--key-file FILE] [--json FILE]`."""

import sys

import _checkout  # noqa: F401

from mtmc.privacy.audit import main

if __name__ == "__main__":
    sys.exit(main())
