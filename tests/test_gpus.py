import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from samcli.gpus import actors_of, take_gpu, usable_gpus
from samcli.recipe import SynthRecipe
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.work import POOLS, PhotoWork
from samcli.synth.ray_engine import make_on_ray
from samcli.synth.work import Job, Step
from samcli.synth.world.work import WorldWork

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


@dataclass(frozen=True)
class Noting(WorldWork):
    """The steps and pools of a set from photographs; each step notes the process and the GPU that it ran on."""

    pools: tuple[tuple[str, ...], ...] = POOLS

    def gpus(self, pool: tuple[str, ...]) -> float:
        return SHARES[self.pools.index(pool)]

    def pack(self, items: Sequence[Any]) -> str:
        return json.dumps([{"manifest": {"id": item.index}} if isinstance(item, Job) else item for item in items])

    def unpack(self, text: str) -> list[Any]:
        return list(json.loads(text))

    def step(self, name: str, out: Path) -> Step:
        def note(item: dict[str, Any]) -> dict[str, Any]:
            where = [os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]]
            return {"manifest": item["manifest"] | {name: where}, "annotation": None}

        return lambda items: [note(item) for item in items]


@pytest.fixture
def cluster_of_two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ray believes what it is told of GPUs."""
    ray = pytest.importorskip("ray")
    ray.shutdown()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ray.init(num_gpus=2, num_cpus=2, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster_of_two_gpus")
def test_on_a_cluster_each_pool_has_its_actor_and_inpainting_a_gpu_of_its_own(tmp_path: Path) -> None:
    work, jobs = Noting(SynthRecipe()), [(Job(index),) for index in range(6)]
    made = [made for made in make_on_ray(work, tmp_path, jobs) if made is not None]
    assert sorted(one.entries[0].id for one in made) == list(range(6))
    processes, gpus = (
        [{one.entries[0].manifest[pool[0]][place] for one in made} for pool in POOLS] for place in range(2)
    )
    assert len(set().union(*processes)) == sum(map(len, processes)) == len(POOLS)
    assert set().union(*gpus) == {"0", "1"}
    assert gpus[1].isdisjoint(gpus[0] | gpus[2] | gpus[3])
