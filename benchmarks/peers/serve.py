"""The loop of the peers' workers: JSON lines in, one JSON line out for each.

Invariant: the first line is the configuration; `check` and `steps` follow in any order.
"""

from __future__ import annotations

import json
import sys
from typing import Callable, Protocol


class Contestant(Protocol):
    version: str
    threads: int

    def check(self) -> dict[str, float]: ...

    def step(self, number: int) -> float:
        """Seconds of one step."""
        ...

    def note(self) -> str | None: ...


def serve(make: Callable[[dict], Contestant]) -> None:
    answer = lambda value: print(json.dumps(value), flush=True)  # noqa: E731
    contestant = make(json.loads(sys.stdin.readline()))
    answer({"ready": True, "version": contestant.version, "threads": contestant.threads})
    number = 0
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "check":
            answer(contestant.check())
            continue
        seconds = [contestant.step(number + i) for i in range(request["count"])]
        number += request["count"]
        answer({"seconds": seconds, "note": contestant.note()})
