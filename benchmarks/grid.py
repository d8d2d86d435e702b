"""The default grid of legal-qa here and with stock tools, one after the other in one run.

    python benchmarks/grid.py [--epochs 1] [--pairs 1] [--limit ROWS] [--json]

Both sides train so many epochs (no early stopping) and answer the same sets. Of ours it tells, besides the time, the
share that was spent reading text with models (tokenising, training, predicting), and what a cell costs beyond that and
beyond loading its model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.processes import waiting

PEER = Path(__file__).parent / "peers" / "legal_grid.py"
CELLS = ("base", "probe", "full", "lora", "rag", "full+rag", "lora+rag")
"""All that a model takes part in; `majority` and `tfidf` take seconds and have no peer."""


def ours(folder: Path, epochs: int, limit: int | None) -> dict[str, Any]:
    import harness
    from harness.store import Store

    settings = {f"{name}.{key}": epochs for name in ("full", "lora") for key in ("epochs", "patience")}
    began = time.perf_counter()
    run = harness.run("legal-qa", strategies=CELLS, backends=["torch"], store=folder, settings=settings, limit=limit)
    wall = time.perf_counter() - began
    failed = [cell for cell in run.report["cells"] if cell["status"] != "done"]
    if failed:
        raise SystemExit(f"{failed[0]['arm']} ended {failed[0]['status']}: {failed[0]['reason']}")
    phases: dict[str, float] = {}
    store = Store(folder)
    for cell in run.report["cells"]:
        for name, used in cell["usage"].items():
            phases[name.split()[0]] = phases.get(name.split()[0], 0.0) + used["wall_s"]
    total = phases.pop("total")
    assets = sum(used["wall_s"] for asset in store.records("asset") for used in (asset.body["usage"] or {}).values())
    reading = sum(phases[name] for name in ("adapt", "predict", "latency") if name in phases) + assets
    accuracy = {arm["strategy"]: arm["measurements"]["accuracy"]["value"] for arm in run.report["table"]}
    return {
        "wall_s": wall,
        "reading_share": reading / wall,
        "load_s_per_cell": phases["load"] / len(CELLS),
        "beyond_s_per_cell": (total - sum(phases.values())) / len(CELLS),
        "outside_cells_s": wall - total - assets,
        "phases": phases,
        "assets_s": assets,
        "accuracy": accuracy,
    }


def peer(epochs: int, limit: int | None) -> dict[str, Any]:
    from harness.find import task_path
    from harness.models import describe, located
    from harness.registry import load_registry

    folder = Path(task_path(load_registry(), "legal-qa")).parent
    began = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, str(PEER), str(folder), str(located(describe("all-MiniLM-L6-v2")))),
            *(str(epochs), "0", str(limit or 0)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit("the peer failed")
    return {"wall_s": time.perf_counter() - began, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--limit", type=int, help="at most so many rows of each set")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name, value in waiting().items():  # on both sides alike
        os.environ.setdefault(name, value)
    pairs = []
    for number in range(options.pairs):
        pair: dict[str, Any] = {}
        for side in ("ours", "peer") if number % 2 else ("peer", "ours"):
            with tempfile.TemporaryDirectory() as folder:
                pair[side] = (
                    peer(options.epochs, options.limit)
                    if side == "peer"
                    else ours(Path(folder), options.epochs, options.limit)
                )
            print(f"{side}: {pair[side]['wall_s']:.0f} s", file=sys.stderr)
        pairs.append(pair)
    ratio = statistics.median(pair["peer"]["wall_s"] / pair["ours"]["wall_s"] for pair in pairs)
    if options.json:
        print(json.dumps({"ratio": ratio, "pairs": pairs}, indent=1))
        return
    for pair in pairs:
        mine = pair["ours"]
        print(
            f"stock {pair['peer']['wall_s']:.0f} s, ours {mine['wall_s']:.0f} s; "
            f"{100 * mine['reading_share']:.0f} % of ours tokenising, training and predicting; per cell "
            f"{mine['load_s_per_cell']:.2f} s loading and {mine['beyond_s_per_cell']:.2f} s beyond its phases; "
            f"{mine['outside_cells_s']:.1f} s outside cells"
        )
    print(f"{ratio:.2f} times as fast (median of {len(pairs)})")


if __name__ == "__main__":
    main()
