"""The numbers of matrix products."""

import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The numbers of matrix products in the block."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def precision_warning(precision: str, device: torch.device, section: str = "optim") -> str | None:
    """What speaks against a recipe's precision, set in a `section`: x86 processors without bfloat16 are slow at it."""
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # unknown before torch 2.12
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if precision != "bf16" or device.type != "cpu" or not x86 or not able:
        return None
    if able.get("avx512_bf16") or able.get("amx_bf16"):
        return None
    return (
        "this processor has no bfloat16, which takes it about three times as long as single precision: "
        f"--set {section}.precision=fp32 is faster, with slightly other results"
    )
