"""The training loop: what it saves, how it goes on, when it stops. On a model of three numbers."""

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from samcli.errors import Interrupted, UserError
from samcli.files import sha256
from samcli.recipe import CheckpointRecipe, OptimRecipe
from samcli.training.checkpoint import Checkpoint, finished, latest_checkpoint, save_checkpoint
from samcli.training.loop import Job, Plan, fit
from samcli.training.optim import build_optimizers, learning_rate, total_steps
from samcli.training.order import EpochOrder
from tests.test_load import Bomb


class Line(nn.Module):
    """Fits y = 2 x + 1 with noise of its own, so that the generator's state matters."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer = nn.Linear(2, 1)

    def forward(self, batch: Tensor) -> Tensor:
        noise = 0.01 * torch.randn(len(batch), 1)
        loss: Tensor = (self.layer(batch) - (2 * batch[:, :1] + 1) + noise).square().mean()
        return loss


def line_job(module: nn.Module, at_step: Callable[[int], None] = lambda _step: None) -> Job[Tensor, nn.Module]:
    data = torch.linspace(-1, 1, 40).reshape(20, 2)

    def batch(step: int, part: int, parts: int) -> Tensor:
        at_step(step)
        return data[EpochOrder(20, 4, 0).step(step)[part::parts]]

    return Job("line", module, batch, len, lambda step: f"rows of step {step}", 20, 4)


def plan(optimizer: str = "adamw", **changes: object) -> Plan:
    optim = OptimRecipe.model_validate(
        {"batch_size": 4, "steps": 12, "warmup_steps": 2, "learning_rate": 0.05, "optimizer": optimizer, **changes}
    )
    return Plan(optim, CheckpointRecipe(every_steps=3, every_minutes=None, keep=2), log_every=1)


def run(out: Path, job: Job[Tensor, nn.Module] | None = None, how: Plan | None = None) -> dict[str, Tensor]:
    fit(job or line_job(Line()), how or plan(), out, Accelerator(cpu=True))
    return load_file(finished(out / "checkpoints")[-1] / "parameters.safetensors")


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("stop_at", [1, 4, 7, 11])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    straight = run(tmp_path / "straight")

    def interrupt(step: int) -> None:
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        run(tmp_path / "stopped", line_job(Line(), interrupt))
    assert stopped.value.exit_code == 143
    assert "the same command goes on from it (sam train: with --resume)" in str(stopped.value)
    resumed = run(tmp_path / "stopped")
    assert equal(resumed, straight)
    optimizers = [
        load_file(finished(tmp_path / name / "checkpoints")[-1] / "optimizer.safetensors")
        for name in ("straight", "stopped")
    ]
    assert equal(*optimizers)


def test_a_stop_in_the_last_step_is_a_stop(tmp_path: Path) -> None:
    class Stopping(Line):
        calls = 0

        def forward(self, batch: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 12:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().forward(batch)

    with pytest.raises(Interrupted, match="stopped at step 12"):
        run(tmp_path, line_job(Stopping()))
    assert finished(tmp_path / "checkpoints")[-1].name.endswith("12")


def test_the_log_of_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    def interrupt(step: int) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(tmp_path, line_job(Line(), interrupt))
    run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert {"loss", "learning_rate", "samples_per_second", "seconds_left"} <= lines[0].keys()


class Unequal(nn.Module):
    """A loss that is a mean over as many things as each row's second number says."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        nn.init.constant_(self.layer.weight, 0.5)
        nn.init.zeros_(self.layer.bias)

    def forward(self, batch: Tensor) -> Tensor:
        errors = (self.layer(batch[:, :1]) - 1).square().squeeze(-1)
        loss: Tensor = (errors * batch[:, 1]).sum() / batch[:, 1].sum()
        return loss


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_passes_change_nothing_however_much_each_holds(tmp_path: Path, accumulate: int) -> None:
    data = torch.tensor([[0.1, 1.0], [0.4, 7.0], [-0.8, 2.0], [2.0, 30.0]])
    trained = []
    for name, passes in (("whole", 1), ("parts", accumulate)):
        module = Unequal()
        job: Job[Tensor, nn.Module] = Job(
            "unequal", module, lambda step, part, parts: data[part::parts],
            lambda batch: float(batch[:, 1].sum()), lambda step: "all", 4, 4,
        )  # fmt: skip
        fit(job, plan(accumulate=passes, optimizer="adamw"), tmp_path / name, Accelerator(cpu=True))
        trained.append(torch.cat([parameter.detach().flatten() for parameter in module.parameters()]))
    assert torch.allclose(trained[0], trained[1], atol=1e-5)


def test_a_batch_that_passes_can_not_share_is_refused(tmp_path: Path) -> None:
    job = line_job(Line())
    job.step_samples = 5
    with pytest.raises(UserError, match="5 samples a step can't be shared evenly by 2 passes on 1 devices"):
        fit(job, plan(accumulate=2), tmp_path, Accelerator(cpu=True))


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(tmp_path: Path) -> None:
    class Breaks(Line):
        calls = 0

        def forward(self, batch: Tensor) -> Tensor:
            self.calls += 1
            loss = super().forward(batch)
            return loss * math.nan if self.calls == 8 else loss

    with pytest.raises(UserError, match=r"step 7: loss nan.*rows of step 7"):
        run(tmp_path, line_job(Breaks()))
    checkpoint = latest_checkpoint(tmp_path / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.step == 6
    assert all(value.isfinite().all() for value in checkpoint.parameters.values())


def save(directory: Path, step: int, keep: int = 5) -> Path:
    tensors = {"weight": torch.full((3,), float(step))}
    return save_checkpoint(directory, Checkpoint(step, tensors, tensors, {"spent": 0.0}), keep)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, keep=2)
    assert [path.name for path in finished(tmp_path)] == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("name", ["parameters.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, name: str) -> None:
    save(tmp_path, 1)
    newest = save(tmp_path, 2) / name
    newest.write_bytes(newest.read_bytes()[:-4])
    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("samcli.files.os.replace", OSError(28, "No space left on device")),
        ("samcli.training.checkpoint.save_file", SafetensorError("I/O error: No space left on device")),
    ],
)
def test_a_full_disk_leaves_the_former_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(where, full)
    with pytest.raises(UserError, match=r"can't write .*No space left on device"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1


def test_what_a_run_saves_after_going_back_is_kept(tmp_path: Path) -> None:
    """The damaged checkpoint, which is of a later step, isn't kept in its place."""
    for step in (1, 2):
        save(tmp_path, step)
    (tmp_path / "step-00000002" / "state.json").unlink()
    save(tmp_path, 1, keep=1)
    assert [path.name for path in finished(tmp_path)] == ["step-00000001"]


@pytest.mark.parametrize("name", ["parameters.safetensors", "optimizer.safetensors", "state.json"])
def test_a_pickle_under_a_fitting_hash_is_damage_and_never_read(tmp_path: Path, name: str) -> None:
    save(tmp_path / "run", 1)
    newest = save(tmp_path / "run", 2)
    torch.save(Bomb(tmp_path / "ran"), newest / name)
    hashes = json.loads((newest / "manifest.json").read_text())
    (newest / "manifest.json").write_text(json.dumps(hashes | {name: sha256(newest / name)}))
    checkpoint = latest_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("lost", ["state.json", "manifest.json"])
def test_a_run_whose_checkpoints_are_all_damaged_stays_as_it_is(tmp_path: Path, lost: str) -> None:
    run(tmp_path)
    log = (tmp_path / "log.jsonl").read_bytes()
    for checkpoint in finished(tmp_path / "checkpoints"):
        (checkpoint / lost).unlink()
    with pytest.raises(UserError, match=r"all checkpoints are damaged.*--overwrite starts anew"):
        run(tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_a_run_whose_steps_were_larger_is_refused(tmp_path: Path) -> None:
    larger = line_job(Line())
    larger.step_samples = 16
    run(tmp_path, larger)
    with pytest.raises(UserError, match=r"begun with 16 samples a step on processes: 1; now a step has 4, on 1"):
        run(tmp_path)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_too_little_memory_names_the_batch_and_what_helps(tmp_path: Path, error: Exception) -> None:
    def run_out(step: int) -> None:
        if step == 7:
            raise error

    with pytest.raises(
        UserError, match=r"at step 7 of line, batch: rows of step 7; .*batch_size=4 .*accumulate=4 trains the same "
    ):
        run(tmp_path, line_job(Line(), run_out), plan(accumulate=2))
    assert finished(tmp_path / "checkpoints")[-1].name == "step-00000006"


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("our fault")

    with pytest.raises(RuntimeError, match="our fault"):
        run(tmp_path, line_job(Line(), fail))


def test_a_checkpoint_of_other_parameters_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    other = line_job(nn.Sequential(Line()))
    with pytest.raises(UserError, match="of other parameters"):
        run(tmp_path, other)


def test_every_epoch_holds_every_sample_once() -> None:
    first = [row for step in range(5) for row in EpochOrder(20, 4, 1).step(step)]
    second = [row for step in range(5, 10) for row in EpochOrder(20, 4, 1).step(step)]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_muon_takes_the_matrices_of_layers_and_adamw_the_rest() -> None:
    module = nn.ModuleDict(
        {"body": nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4)])}), "head": nn.Linear(4, 2)}
    )
    adamw, muon = build_optimizers(module.named_parameters(), OptimRecipe(optimizer="muon"))
    assert sum(p.numel() for group in muon.param_groups for p in group["params"]) == 16
    assert sum(p.numel() for group in adamw.param_groups for p in group["params"]) == 4 + 8 + 2
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.05, 0.0]


def test_muon_without_matrices_of_layers_is_refused() -> None:
    with pytest.raises(UserError, match=r"optim\.optimizer: muon .*use adamw"):
        build_optimizers(nn.Linear(4, 2).named_parameters(), OptimRecipe(optimizer="muon"))


def test_the_rate_warms_up_and_falls() -> None:
    optim = OptimRecipe(learning_rate=1.0, min_learning_rate=0.1, warmup_steps=10)
    rates = [learning_rate(optim, step, 110, 50) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == 1.0
    assert rates[60] == pytest.approx(0.55, abs=0.01)
    assert rates == rates[:10] + sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.001)


def test_the_rate_of_lavis_falls_between_epochs_only() -> None:
    optim = OptimRecipe(learning_rate=1.0, warmup_steps=5, schedule="cosine-by-epoch")
    rates = [learning_rate(optim, step, 40, 10) for step in range(40)]
    assert len(set(rates[10:20])) == 1
    assert rates[5] == 1.0
    assert rates[10] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


def test_steps_come_from_epochs_unless_given() -> None:
    assert total_steps(OptimRecipe(batch_size=20, epochs=1), 69_000) == 3450
    assert total_steps(OptimRecipe(batch_size=20, epochs=0.5), 69_001) == 1726
    assert total_steps(OptimRecipe(steps=7), 69_000) == 7
