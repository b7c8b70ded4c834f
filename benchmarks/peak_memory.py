"""The most memory that something takes over what was held before it."""

import ctypes

import torch


class PeakMemory:
    """The most memory that tensors took inside the block: of the GPU, or what torch allocated of the machine's."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0

    def __enter__(self) -> "PeakMemory":
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            _trim()
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")  # the peak of resident memory starts anew
            self.before = _resident("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated() - self.before
        else:
            self.bytes = _resident("VmHWM") - self.before


def _resident(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) * 1024


def _trim() -> None:
    """Give freed memory back to the system, so that one way's doesn't hide another's."""
    ctypes.CDLL(None).malloc_trim(0)
