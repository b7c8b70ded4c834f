"""The numbers of matrix products."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The numbers of matrix products in the block."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def precision_warning(precision: str, device: torch.device, section: str = "optim") -> str | None:
    """What speaks against a recipe's precision, set in a `section`: x86 processors without bfloat16 are slow at it."""
    if precision != "bf16" or device.type != "cpu":
        return None
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # older torch can't tell
    if able.get("architecture") != "x86_64" or able.get("avx512_bf16") or able.get("amx_bf16"):
        return None
    return (
        "this processor has no bfloat16, which takes it about three times as long as single precision: "
        f"--set {section}.precision=fp32 is faster, with slightly other results"
    )
