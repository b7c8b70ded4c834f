"""The training loop: Accelerate's devices and processes, our order of data, saving, stopping and resuming.

A batch is a function of the step alone, so a run that goes on from a checkpoint sees what the uninterrupted one saw.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from samcli.console import progress, say
from samcli.errors import Interrupted, UserError
from samcli.files import JsonLines
from samcli.recipe import CheckpointRecipe, OptimRecipe
from samcli.signals import StopRequest, listening
from samcli.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_optimizer_tensors,
    optimizer_tensors,
    save_checkpoint,
)
from samcli.training.optim import build_optimizers, learning_rate, total_steps

BatchT = TypeVar("BatchT")
ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass
class Job(Generic[BatchT, ModuleT]):
    """What is trained: a module whose forward is the loss, and where its batches come from.

    `batch(step, part, parts)` returns the `part`-th of `parts` equal shares of the step's samples; `loss_name` of it is
    for people. `samples` is the size of an epoch.
    """

    name: str
    module: ModuleT
    batch: Callable[[int, int, int], BatchT]
    describe: Callable[[int], str]
    samples: int

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that receive gradients, by name."""
        return [(name, parameter) for name, parameter in self.module.named_parameters() if parameter.requires_grad]


@dataclass(frozen=True)
class Plan:
    """How it is trained."""

    optim: OptimRecipe
    checkpoint: CheckpointRecipe
    log_every: int


def fit(job: Job[BatchT, ModuleT], plan: Plan, out: Path, accelerator: Accelerator | None = None) -> dict[str, Any]:
    """Train to the end, from the last checkpoint in `out/checkpoints` if there is one.

    Returns the last log record without its times: what is the same however often the run was stopped.

    Raises Interrupted after a signal (everything saved), UserError on a loss that is not finite (nothing overwritten).
    """
    return _Run(job, plan, out, accelerator or Accelerator()).train()


class _Ahead(Generic[BatchT]):
    """Makes the next batch in a thread while the present one is used."""

    def __init__(self, make: Callable[[int, int, int], BatchT], processes: int, passes: int, steps: int) -> None:
        self._make, self._processes, self._passes, self._steps = make, processes, passes, steps
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._next: tuple[tuple[int, int, int], Future[BatchT]] | None = None

    def get(self, step: int, part: int, parts: int) -> BatchT:
        """The batch of these arguments; the one after it is begun."""
        wanted = (step, part, parts)
        begun = self._next is not None and self._next[0] == wanted
        batch = self._next[1].result() if self._next is not None and begun else self._make(*wanted)
        follower = self._after(*wanted)
        if follower[0] < self._steps:
            self._next = (follower, self._thread.submit(self._make, *follower))
        return batch

    def _after(self, step: int, part: int, parts: int) -> tuple[int, int, int]:
        later = part + self._processes
        return (step, later, parts) if later < parts else (step + 1, part % self._processes, parts)

    def close(self) -> None:
        """Wait for the thread; an unused batch is dropped."""
        self._thread.shutdown(cancel_futures=True)


class _Run(Generic[BatchT, ModuleT]):
    """One call of `fit`."""

    def __init__(self, job: Job[BatchT, ModuleT], plan: Plan, out: Path, accelerator: Accelerator) -> None:
        self.job, self.plan, self.out, self.accelerator = job, plan, out, accelerator
        self.steps = total_steps(plan.optim, job.samples)
        self.names = {id(parameter): name for name, parameter in job.trained()}
        self.module: nn.Module = accelerator.prepare_model(job.module)
        self.optimizers = build_optimizers(job.trained(), plan.optim)
        self.log = JsonLines(out / "log.jsonl")
        self.step, self.spent = 0, 0.0
        self.losses: list[float] = []  # since the last line of the log
        self.last: dict[str, Any] = {}  # the last line of the log, without times
        self.ahead = _Ahead(job.batch, accelerator.num_processes, plan.optim.accumulate, self.steps)

    def train(self) -> dict[str, Any]:
        self._resume()
        began = time.monotonic() - self.spent
        self.saved_at = time.monotonic()
        with (
            closing(self.ahead),
            listening() as stop,
            progress(self.job.name, self.steps, self.step) as advance,
        ):
            while self.step < self.steps:
                record = self._one_step()
                self.step += 1
                self.spent = time.monotonic() - began
                advance(1)
                self._log(record)
                self._save_if_due(stop)
        return self.last

    def _one_step(self) -> dict[str, Any]:
        optim = self.plan.optim
        rate = learning_rate(optim, self.step, self.steps, max(1, self.job.samples // optim.batch_size))
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        loss = self._backward()
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise UserError(
                f"{self.job.name}: step {self.step}: loss {loss}, gradient norm {norm}: not finite, so the run stops. "
                f"Batch: {self.job.describe(self.step)}. The last good checkpoint is kept; "
                "lower optim.learning_rate or look at these samples"
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return {"step": self.step + 1, "loss": loss, "learning_rate": rate, "gradient_norm": norm}

    def _backward(self) -> float:
        """Gradients of the whole step, in `accumulate` passes for each process; return the mean loss."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        parts = self.plan.optim.accumulate
        total = torch.zeros((), device=self.accelerator.device)
        for part in range(parts):
            batch = self.ahead.get(self.step, part * processes + rank, parts * processes)
            with self._precision():
                loss: Tensor = self.module(batch)
            self.accelerator.backward(loss / parts)
            total += loss.detach() / parts
        return float(self.accelerator.reduce(total, "mean"))

    def _precision(self) -> Any:
        if self.plan.optim.precision == "bf16":
            return torch.autocast(self.accelerator.device.type, torch.bfloat16)
        return nullcontext()

    def _clip(self) -> float:
        limit = self.plan.optim.clip_norm or math.inf
        return float(nn.utils.clip_grad_norm_([parameter for _, parameter in self.job.trained()], limit))

    def _log(self, record: dict[str, Any]) -> None:
        self.losses.append(record["loss"])
        if self.step % self.plan.log_every and self.step != self.steps:
            return
        self.last = record | {"loss": sum(self.losses) / len(self.losses)}
        times = {
            "samples_per_second": round(self.step * self.plan.optim.batch_size / max(self.spent, 1e-9), 2),
            "seconds": round(self.spent, 1),
            "seconds_left": round(self.spent / self.step * (self.steps - self.step), 1),
        }
        self.losses.clear()
        if self.accelerator.is_main_process:
            self.log.append(self.last | times)

    def _save_if_due(self, stop: StopRequest) -> None:
        settings = self.plan.checkpoint
        minutes = (time.monotonic() - self.saved_at) / 60
        due = (
            self.step == self.steps
            or stop.signal_number is not None
            or (settings.every_steps is not None and self.step % settings.every_steps == 0)
            or (settings.every_minutes is not None and minutes >= settings.every_minutes)
        )
        if due:
            self.save()
        if stop.signal_number is not None and self.step < self.steps:
            where = self.out / "checkpoints"
            raise Interrupted(stop.signal_number, f"stopped at step {self.step}, saved in {where}; --resume goes on")

    def save(self) -> None:
        """Write a checkpoint from the main process; the others wait for it."""
        if self.accelerator.is_main_process:
            parameters: dict[str, Tensor] = dict(self.job.trained())
            state = {"spent": self.spent, "losses": self.losses, "last": self.last}
            state["rng"] = torch.get_rng_state().tolist()
            checkpoint = Checkpoint(self.step, parameters, optimizer_tensors(self.optimizers, self.names), state)
            save_checkpoint(self.out / "checkpoints", checkpoint, self.plan.checkpoint.keep)
        self.accelerator.wait_for_everyone()
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        checkpoint = latest_checkpoint(self.out / "checkpoints")
        if checkpoint is None:
            self.log.path.unlink(missing_ok=True)
            return
        own = dict(self.job.trained())
        if own.keys() != checkpoint.parameters.keys():
            raise UserError(f"{self.out}: its checkpoint is of other parameters; use another --out or --overwrite")
        with torch.no_grad():
            for name, value in checkpoint.parameters.items():
                own[name].copy_(value)
        load_optimizer_tensors(self.optimizers, self.names, checkpoint.moments)
        torch.set_rng_state(torch.tensor(checkpoint.state["rng"], dtype=torch.uint8))
        self.step, self.spent = checkpoint.step, checkpoint.state["spent"]
        self.losses, self.last = checkpoint.state["losses"], checkpoint.state["last"]
        self._trim_log()
        say(f"{self.job.name}: going on from step {self.step} of {self.steps}")

    def _trim_log(self) -> None:
        """Drop log lines of steps that will be done again."""
        kept = [record for record in self.log.read() if record["step"] <= self.step]
        self.log.path.unlink(missing_ok=True)
        for record in kept:
            self.log.append(record)
