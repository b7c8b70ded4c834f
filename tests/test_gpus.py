import itertools
from multiprocessing import get_context

import pytest

from samcli.gpus import actors_of, take_gpu, usable_gpus
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.work import PhotoWork

SHARES = (0.25, 1.0, 0.5, 0.25)  # of the paper's recipe


@pytest.mark.parametrize("gpus", [1, 2, 3, 4, 8, 64])
def test_pools_never_ask_for_more_than_there_is_and_all_get_an_actor(gpus: int) -> None:
    for shares in itertools.product((0.0, 0.25, 0.5, 1.0, 2.0), repeat=3):
        counts, taken = actors_of(shares, gpus, 1000)
        assert sum(count * share for count, share in zip(counts, taken, strict=True)) <= gpus + 1e-6
        assert [count > 0 for count in counts] == [share > 0 for share in shares]


def test_what_is_left_goes_to_the_dearest_pool() -> None:
    assert actors_of(SHARES, 8, 1000) == ([1, 7, 1, 1], list(SHARES))
    assert actors_of(SHARES, 8, 3)[0] == [1, 3, 1, 1]
    counts, shares = actors_of(SHARES, 1, 1000)
    assert counts == [1, 1, 1, 1]
    assert shares[1] == pytest.approx(0.495)


def test_gpus_are_those_that_were_named_else_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert usable_gpus("auto") == ["3", "5"]
    assert usable_gpus("cpu") == usable_gpus("cuda:1") == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert usable_gpus("cuda") == ["0", "1"]


def test_processes_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    started, seen = get_context("spawn").Value("i", 0), []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for _ in range(3):
        take_gpu(["4", "7"], started)
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == ["4", "7", "4"]


def test_one_process_for_each_gpu_where_a_stage_has_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    light = PhotoWork(MmlinkRecipe())
    heavy = PhotoWork(MmlinkRecipe.model_validate({"background": {"kind": "diffusion"}}))
    assert (light.workers, light.devices) == (16, [])
    assert (heavy.workers, heavy.devices) == (3, ["0", "1", "2"])
    assert PhotoWork(heavy.recipe.model_copy(update={"device": "cpu"})).workers == 16
    assert PhotoWork(heavy.recipe.model_copy(update={"workers": 5})).workers == 5
