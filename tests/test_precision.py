"""What is said of a precision that a processor is slow at."""

import pytest
import torch

from samcli.training.precision import precision_warning

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool | str]:
    """What an x86 processor can do."""
    able: dict[str, bool | str] = {"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    return able


def test_a_processor_without_bfloat16_is_told_of_single_precision(processor: dict[str, bool | str]) -> None:
    assert "--set projector.optim.precision=fp32 is faster" in str(precision_warning("bf16", CPU, "projector.optim"))
    assert precision_warning("fp32", CPU) is None
    assert precision_warning("bf16", torch.device("cuda")) is None


@pytest.mark.parametrize("able", ["avx512_bf16", "amx_bf16"])
def test_one_with_bfloat16_is_not(processor: dict[str, bool | str], able: str) -> None:
    processor[able] = True
    assert precision_warning("bf16", CPU) is None


def test_nothing_is_said_where_nothing_is_known(processor: dict[str, bool | str]) -> None:
    processor.clear()
    assert precision_warning("bf16", CPU) is None
    processor |= {"architecture": "arm64", "avx512_bf16": False}
    assert precision_warning("bf16", CPU) is None
