"""Compares the PyTorch peer with a directory of golden values: `python verify_golden.py DIR`.

Invariant: one check per stored quantity, per parameter for gradients, with the limits of the directory's README.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch

from golden_cases import Spec, compute


class Report:
    """Collects deviations relative to their limits, per case."""

    def __init__(self) -> None:
        self.worst: dict[str, tuple[float, str]] = {}
        self.passed, self.failures = 0, []

    def check(self, case: str, what: str, deviation: float, limit: float) -> None:
        share = deviation / limit if limit else (0.0 if deviation == 0 else math.inf)
        if not math.isfinite(share) or share > 1:
            self.failures.append(f"{case} {what}: {deviation:.3g} over {limit:.3g}")
        else:
            self.passed += 1
        if share >= self.worst.get(case, (-1.0, ""))[0]:
            self.worst[case] = (share, what)

    def relative(self, case: str, what: str, got: float, want: float, limit: float = 1e-5) -> None:
        self.check(case, what, abs(got - want), limit * abs(want))


def compare_gradients(report: Report, case: str, got: dict, want: dict, sizes: dict[str, int]) -> None:
    for name in sorted(got.keys() | want.keys()):
        if name not in got or name not in want:
            report.check(case, f"{name} on one side only", math.inf, 1)
            continue
        g, w = got[name], want[name]
        allowed = 1e-7 if w["l2"] < 1e-5 else 1e-4 * w["l2"]
        typical = max(w["l2"] / math.sqrt(sizes[name]), *(abs(v) for v in w["val"]))
        sample = max(abs(a - b) for a, b in zip(g["val"], w["val"], strict=True))
        shares = abs(g["l2"] - w["l2"]) / allowed, sample / max(1e-3 * typical, 1e-9)
        report.check(case, name, max(shares), 1)


def compare_tensor(report: Report, name: str, got: torch.Tensor, want: torch.Tensor) -> None:
    case, kind = name.split(".")
    if got.shape != want.shape:
        report.check(case, name, math.inf, 1)
    elif kind in ("mask", "labels"):
        report.check(case, name, float((got != want).sum()), 0)
    else:
        limit = 1e-4 if kind == "centres" else 1e-4 * want.std().item()
        report.check(case, name, (got - want).abs().max().item(), limit)


def compare(values: dict, tensors: dict, want: dict, stored: dict) -> Report:
    report = Report()
    # Every gradient's last sample lies at its last element.
    sizes = {n: g["at"][-1] + 1 for c in want.values() if isinstance(c, dict) for n, g in c.get("grads", {}).items()}
    for case in ("image2d", "volume3d", "text", "distill_image2d", "distill_volume3d", "distill_text"):
        if case not in want:
            continue
        for key in want[case].keys() - {"grads"}:
            limit = 1e-4 * want[case]["feature_std"] if key.startswith("feature") else 1e-5 * want[case][key]
            report.check(case, key, abs(values[case][key] - want[case][key]), limit)
        compare_gradients(report, case, values[case]["grads"], want[case]["grads"], sizes)
    for step, (got, loss) in enumerate(zip(values["adamw"]["losses"], want["adamw"]["losses"], strict=True)):
        report.relative("adamw", f"loss {step}", got, loss)
    for name, norm in want["adamw"]["after"].items():
        report.relative("adamw", name, values["adamw"]["after"][name], norm)
    report.relative("kmeans", "inertia", values["kmeans"]["inertia"], want["kmeans"]["inertia"])
    for key in ("n_iter", "selected"):
        report.check("kmeans", key, float(values["kmeans"][key] != want["kmeans"][key]), 0)
    inputs = ("text.input_ids", "text.attention_mask", "text.labels")
    for name in sorted(stored.keys() - set(inputs)):
        compare_tensor(report, name, tensors[name], stored[name])
    return report


NUMBERS = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_}


def load_file(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, read here so that a bare PyTorch is enough."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = (start + offset for offset in entry["data_offsets"])
            values = np.frombuffer(bytearray(data[low:high]), dtype=NUMBERS[entry["dtype"]])
            tensors[name] = torch.from_numpy(values).view(entry["shape"])
    return tensors


def read(directory: Path) -> tuple[dict, dict, Spec]:
    values = json.loads((directory / "golden.json").read_text())
    stored = load_file(directory / "tensors.safetensors")
    text = [stored[f"text.{name}"].long() for name in ("input_ids", "attention_mask", "labels")]
    return values, stored, Spec(values["seed"], values["batch"], *text, list(values["adamw"]["after"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    want, stored, spec = read(parser.parse_args().directory)
    k = want["kmeans"]
    report = compare(*compute(spec, clusters=(k["N"], k["k"], k["d"], k["per_centre"])), want, stored)
    for case, (share, what) in report.worst.items():
        print(f"{case:18s} worst {share:8.4f} of its limit ({what})")
    for failure in report.failures:
        print(f"FAILED {failure}")
    print(f"{report.passed} passed, {len(report.failures)} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
