"""Tuning here against tuning the stock way: the same rows, cuts, epochs and steps, one after the other in one run.

    python benchmarks/training.py --data FOLDER [--method full] [--epochs 1] [--rows 960] [--seeds 0,1,2] [--json]

FOLDER holds `cuad_clause_category.{train,test}.tsv` (see examples/cuad_clauses). Each seed is one pair; which side goes
first alternates. Ours is measured through `harness.run`, as its report says it (`train_s` covers tokens, steps and the
validation after each epoch); the peer's clock covers the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.processes import waiting

PEER = Path(__file__).parent / "peers" / "trainer.py"
NAME = "cuad_clause_category"
HELD_OUT = 10
"""One training row in so many validates."""
LR = {"full": 1e-4, "lora": 2e-3}
BATCH, MAX_TOKENS = 16, 128
MARGIN = 0.01
Rows = list[tuple[str, str]]


def read(folder: Path, rows: int | None) -> dict[str, Rows]:
    """The sets, shuffled once: the files are sorted by label."""
    sets = {}
    for name in ("train", "test"):
        with (folder / f"{NAME}.{name}.tsv").open(encoding="utf-8", newline="") as file:
            found = [(row["text"], row["label"]) for row in csv.DictReader(file, delimiter="\t")]
        order = np.random.default_rng(0).permutation(len(found))[: rows if name == "train" else None]
        sets[name] = [found[place] for place in order]
    sets["validation"] = sets["train"][::HELD_OUT]
    sets["train"] = [row for place, row in enumerate(sets["train"]) if place % HELD_OUT]
    return sets


def labels_of(sets: dict[str, Rows]) -> list[str]:
    return sorted({label for rows in sets.values() for _, label in rows})


def ours(
    folder: Path, sets: dict[str, Rows], method: str, epochs: int, seed: int, backend: str = "torch"
) -> dict[str, Any]:
    import harness
    from harness.evidence import TaskEvidence, read_cell
    from harness.store import Store

    task = folder / "task"
    if not task.exists():
        task.mkdir()
        for name, rows in sets.items():
            lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
            (task / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        data = "".join(f'{name} = "{name}.jsonl"\n' for name in sets)
        labels = "".join(f"{json.dumps(label)} = {json.dumps(label)}\n" for label in labels_of(sets))
        (task / "task.toml").write_text(
            'name = "clauses"\nkind = "classification"\n'
            f'[data]\n{data}[fields]\nquestion = "text"\nanswer = "label"\n[labels]\n{labels}'
        )
    where = folder / f"store-{method}-{backend}-{seed}"
    settings = {"epochs": epochs, "patience": epochs, "max_tokens": MAX_TOKENS, "batch_size": BATCH, "lr": LR[method]}
    run = harness.run(
        task / "task.toml",
        strategies=[method],
        backends=[backend],
        seeds=[seed],
        store=where,
        settings={f"{method}.{name}": value for name, value in settings.items()},
    )
    (cell,) = run.report["cells"]
    if cell["status"] != "done":
        raise SystemExit(f"ours ended {cell['status']}: {cell['reason']}")
    store = Store(where)
    evidence = TaskEvidence(store, store.latest("task", run.report["run"]["task"]["fingerprint"]).body)
    found = read_cell(store, store.done(cell["key"]), seed, (), evidence)
    gold = [row.gold for row in evidence["test"].rows]
    right = [bool(a == b) for a, b in zip(found.answers["test"].chosen, gold, strict=True)]
    tuned = cell["usage"]["adapt"]
    return {
        "train_s": tuned["wall_s"],
        "steps": found.log["tuning"]["steps"],
        "right": right,
        "flops": tuned["flops"],
        "tokens": tuned["tokens"],
    }


def peer(
    folder: Path, sets: dict[str, Rows], method: str, epochs: int, seed: int, bf16: bool, script: Path = PEER
) -> dict[str, Any]:
    from harness.models import describe, located

    labels = labels_of(sets)
    given = {
        "rows": {name: [(text, labels.index(label)) for text, label in rows] for name, rows in sets.items()},
        "labels": labels,
        "model": str(located(describe("all-MiniLM-L6-v2"))),
        "method": method,
        "epochs": epochs,
        "lr": LR[method],
        "batch_size": BATCH,
        "max_tokens": MAX_TOKENS,
        "seed": seed,
        "bf16": bf16,
    }
    file = folder / "given.json"
    file.write_text(json.dumps(given))
    done = subprocess.run([sys.executable, str(script), str(file)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def matrix_rates() -> dict[str, float]:
    """Best of several products of square matrices, in GFLOP/s, for what the device multiplies natively."""
    import torch

    from harness_torch.device import pick, trains_in_bf16

    device = pick()
    size = 1024 if device.type == "cpu" else 8192
    kinds = {"fp32": torch.float32}
    if trains_in_bf16(device):
        kinds["bf16"] = torch.bfloat16
    rates = {}
    for name, kind in kinds.items():
        a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
        best = 0.0
        for _ in range(30):
            began = time.perf_counter()
            (a @ b)[0, 0].item()
            best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
        rates[name] = best
    return rates


def difference(left: list[list[bool]], right: list[list[bool]]) -> tuple[float, float, float]:
    """Mean of left - right over seeds, with a 95 % bootstrap interval over test rows."""
    each = np.mean([np.array(a, float) - np.array(b, float) for a, b in zip(left, right, strict=True)], axis=0)
    random = np.random.default_rng(0)
    draws = [each[random.integers(len(each), size=len(each))].mean() for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(each.mean()), float(low), float(high)


def compared(pairs: list[dict[str, Any]], rate: float) -> dict[str, Any]:
    ratios = [pair["peer"]["train_s"] / pair["ours"]["train_s"] for pair in pairs]
    mean, low, high = difference([p["ours"]["right"] for p in pairs], [p["peer"]["right"] for p in pairs])
    return {
        "pairs": len(pairs),
        "steps": [(pair["ours"]["steps"], pair["peer"]["steps"]) for pair in pairs],
        "ours_s": [pair["ours"]["train_s"] for pair in pairs],
        "peer_s": [pair["peer"]["train_s"] for pair in pairs],
        "ratio_median": statistics.median(ratios),
        "ratios": ratios,
        "ours_accuracy": float(np.mean([pair["ours"]["right"] for pair in pairs])),
        "peer_accuracy": float(np.mean([pair["peer"]["right"] for pair in pairs])),
        "difference": [mean, low, high],
        "non_inferior": low > -MARGIN,
        "share_of_matrix_rate": statistics.median(
            pair["ours"]["flops"] / pair["ours"]["train_s"] / 1e9 / rate for pair in pairs
        ),
        "tokens_per_s": statistics.median(pair["ours"]["tokens"] / pair["ours"]["train_s"] for pair in pairs),
    }


def asked(told: str | None) -> argparse.Namespace:
    """The options of a comparison of tunings, for processes that share the machine with whatever else runs."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--method", choices=LR, action="append")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", action="store_true")
    for name, value in waiting().items():  # on both sides alike
        os.environ.setdefault(name, value)
    return parser.parse_args()


def main() -> None:
    options = asked(__doc__)
    sets, rates = read(options.data, options.rows), matrix_rates()
    fastest = "bf16" if "bf16" in rates else "fp32"
    report: dict[str, Any] = {"matrix_gflops": rates, "ours_in": fastest, "rows": {n: len(r) for n, r in sets.items()}}
    for method in options.method or list(LR):
        for precision in rates:
            pairs: list[dict[str, Any]] = []
            with tempfile.TemporaryDirectory() as folder:
                for number, seed in enumerate(int(seed) for seed in options.seeds.split(",")):
                    where, pair = Path(folder), {}
                    for side in ("ours", "peer") if number % 2 else ("peer", "ours"):
                        if side == "ours":
                            pair[side] = ours(where, sets, method, options.epochs, seed)
                        else:
                            pair[side] = peer(where, sets, method, options.epochs, seed, precision == "bf16")
                        print(
                            f"{method} {side} seed {seed}: {pair[side]['train_s']:.1f} s, "
                            f"{100 * np.mean(pair[side]['right']):.1f} % right",
                            file=sys.stderr,
                        )
                    pairs.append(pair)
            report[f"{method}, peer in {precision}"] = compared(pairs, rates[fastest])
    print(json.dumps(report, indent=1) if options.json else table(report))


def table(report: dict[str, Any]) -> str:
    lines = [f"matrix rate, GFLOP/s: {report['matrix_gflops']}; ours trains in {report['ours_in']}; {report['rows']}"]
    for name, found in report.items():
        if isinstance(found, dict) and "ratios" in found:
            mean, low, high = (100 * number for number in found["difference"])
            lines.append(
                f"{name}: {found['ratio_median']:.2f} times as fast "
                f"(pairs: {', '.join(f'{ratio:.2f}' for ratio in found['ratios'])}); "
                f"accuracy {100 * found['ours_accuracy']:.1f} against {100 * found['peer_accuracy']:.1f} %, "
                f"difference {mean:+.1f} [{low:.1f}, {high:.1f}] points; "
                f"{100 * found['share_of_matrix_rate']:.0f} % of the matrix rate, {found['tokens_per_s']:.0f} tokens/s"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
