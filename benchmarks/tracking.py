"""What tracking costs: `python benchmarks/tracking.py`, as tracking_cost.py describes it.

A script's folder comes first where modules are looked for, and this file would hide the package
`tracking` there.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).absolute()
    sys.path[0] = str(here.parents[1])
    sys.path.append(str(here.parent))
    runpy.run_path(str(here.with_name("tracking_cost.py")), run_name="__main__")
