"""The GPUs of this machine, shared out among processes and actors."""

import os
from collections.abc import Sequence
from typing import Any


def usable_gpus(device: str) -> list[str]:
    """The GPUs that work on `device` may use, by the names that CUDA knows them by; none for other devices."""
    if device not in ("auto", "cuda"):
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def take_gpu(gpus: Sequence[str], started: Any) -> None:
    """Let this process see one of the GPUs, before torch looks; `started`, a shared counter, counts the processes."""
    with started.get_lock():
        place = started.value
        started.value += 1
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]


def actors_of(shares: Sequence[float], gpus: float, most: int) -> tuple[list[int], list[float]]:
    """How many actors each pool of a cluster gets, and what each of them takes of a GPU.

    Pools whose share is 0 get none here. Each of the others gets one actor first, with smaller shares where even those
    need more than there is; what is left goes to the pool with the largest share, where the work is.
    """
    needed = sum(shares)
    if needed > gpus:  # a margin, so that rounding never asks for more than there is
        shares = [0.99 * share * gpus / needed for share in shares]
    counts = [int(share > 0) for share in shares]
    dearest = max(range(len(shares)), key=lambda place: shares[place])
    if shares[dearest] > 0:
        left = gpus - sum(shares)
        counts[dearest] = max(1, min(most, 1 + int(left / shares[dearest] + 1e-9)))
    return counts, [round(share, 4) for share in shares]
