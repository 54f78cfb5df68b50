"""Let `python tools/<tool>.py` run from a clone that is not installed: put the repository root on the path."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("mtmc") is None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
