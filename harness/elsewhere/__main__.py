"""`python -m harness.elsewhere run BUNDLE RESULT`: do a bundled cell here, and leave its result."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.elsewhere.there import run

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "run":
        sys.exit("usage: python -m harness.elsewhere run BUNDLE RESULT")
    run(Path(sys.argv[2]), Path(sys.argv[3]))
