"""One tuning on both backends, and with stock `keras.fit` beside it: examples per second, first steps included.

    python benchmarks/backends.py --data FOLDER [--method full] [--epochs 1] [--rows 480] [--seeds 0,1,2] [--json]

FOLDER holds `cuad_clause_category.{train,test}.tsv` (see examples/cuad_clauses). The three run one after the other for
every seed, and who goes first rotates. TensorFlow traces its functions while it takes its first steps; on few rows that
weighs, and it is not taken out.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from training import LR, asked, ours, peer, read

KERAS_PEER = Path(__file__).parent / "peers" / "keras_fit.py"
SIDES = ("torch", "keras", "keras.fit")


def tuned(side: str, folder: Path, sets: Any, method: str, epochs: int, seed: int) -> dict[str, Any]:
    if side == "keras.fit":
        return peer(folder, sets, method, epochs, seed, bf16=False, script=KERAS_PEER)
    return ours(folder, sets, method, epochs, seed, backend=side)


def main() -> None:
    options = asked(__doc__)
    sets, report = read(options.data, options.rows), {}
    examples = options.epochs * len(sets["train"])
    for method in options.method or list(LR):
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        with tempfile.TemporaryDirectory() as folder:
            for number, seed in enumerate(int(seed) for seed in options.seeds.split(",")):
                for side in (*SIDES[number % 3 :], *SIDES[: number % 3]):
                    found[side].append(tuned(side, Path(folder), sets, method, options.epochs, seed))
                    print(f"{method} {side} seed {seed}: {found[side][-1]['train_s']:.1f} s", file=sys.stderr)
        report[method] = {
            side: {
                "examples_per_s": statistics.median(examples / run["train_s"] for run in runs),
                "train_s": [run["train_s"] for run in runs],
                "accuracy": float(np.mean([run["right"] for run in runs])),
            }
            for side, runs in found.items()
        }
    print(json.dumps(report, indent=1) if options.json else table(report))


def table(report: dict[str, Any]) -> str:
    return "\n".join(
        f"{method:5} {side:10} {run['examples_per_s']:8.1f} examples/s  {100 * run['accuracy']:5.1f} % right  "
        f"({', '.join(f'{seconds:.1f}' for seconds in run['train_s'])} s)"
        for method, sides in report.items()
        for side, run in sides.items()
    )


if __name__ == "__main__":
    main()
