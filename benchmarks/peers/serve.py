"""The loop of the peers' workers: JSON lines in, one JSON line out for each.

Invariant: the first line is the configuration; `check` and `steps` follow in any order, and `gradients` where a
contestant has them; standard output carries nothing but answers.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
from pathlib import Path
from typing import Callable, Protocol


class Contestant(Protocol):
    version: str
    threads: int

    def check(self) -> dict[str, float]: ...

    def step(self, number: int) -> float:
        """Seconds of one step."""
        ...

    def note(self) -> str | None: ...


def resident_bytes() -> int:
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def device_bytes() -> dict[str, int]:
    """The most that PyTorch held of a GPU's memory so far."""
    torch = sys.modules.get("torch")
    held = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return {"peakDeviceBytes": torch.cuda.max_memory_reserved()} if held else {}


def trim() -> None:
    """Gives freed memory back, so that what a check held does not count as a step's."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def own_output():
    """The stream of answers; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def wheels() -> None:
    """Packages of pure Python beside this file become importable, for machines without a registry."""
    sys.path.extend(str(path) for path in sorted(Path(__file__).parent.glob("wheels/*.whl")))


def serve(make: Callable[[dict], Contestant]) -> None:
    wheels()
    out = own_output()
    answer = lambda value: print(json.dumps(value), file=out, flush=True)  # noqa: E731
    configuration = json.loads(sys.stdin.readline())
    libraries = resident_bytes()
    contestant = make(configuration)
    facts = {"version": contestant.version, "threads": contestant.threads, "librariesBytes": libraries}
    answer({"ready": True, **facts})
    number = 0
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "check":
            outcome = contestant.check()
            trim()
            answer(outcome)
            continue
        if request["command"] == "gradients":
            answer(contestant.gradients(request["count"]))
            continue
        seconds = [contestant.step(number + i) for i in range(request["count"])]
        number += request["count"]
        answer({"seconds": seconds, "note": contestant.note(), **device_bytes()})
