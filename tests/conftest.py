"""Small models on one core each: on a busy machine many threads wait for one another more than they compute."""

import os
from functools import partial
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps are traced for fixed shapes and then run as they are, which takes seconds less; told is what was traced."""
    import torch  # after the number of threads is set

    seen: list[int] = []

    def as_it_is(graph: Any, inputs: Any, **_: Any) -> Any:
        seen.append(len(inputs))
        return graph.forward

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=as_it_is))
    return seen
