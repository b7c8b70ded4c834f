"""The training loop: Accelerate's devices and processes, our order of data, saving, stopping and resuming.

A batch is a function of the step alone, so a run that goes on from a checkpoint sees what the uninterrupted one saw.
"""

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator, DistributedType
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from samcli.console import SECONDS_BETWEEN_LINES, progress, say, warn
from samcli.errors import Interrupted, UserError
from samcli.files import JsonLines
from samcli.memory import enough_memory
from samcli.model.load import resolve_device
from samcli.recipe import CheckpointRecipe, OptimRecipe
from samcli.signals import StopRequest, listening
from samcli.training.checkpoint import (
    GOES_ON,
    Checkpoint,
    latest_checkpoint,
    load_optimizer_tensors,
    optimizer_tensors,
    save_checkpoint,
)
from samcli.training.optim import build_optimizers, learning_rate, schedule_warning, total_steps
from samcli.training.precision import autocast, precision_warning

LONGEST_WAIT = timedelta(hours=6)  # for the first process, which may fetch a base or make a set meanwhile
BatchT = TypeVar("BatchT")
ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass
class Job(Generic[BatchT, ModuleT]):
    """What is trained: a module whose forward is the loss, and where its batches come from.

    `batch(step, part, parts)` returns the `part`-th of `parts` shares of the step's samples; `weight` tells what
    a share counts, the number of things that its loss is the mean of; `describe` names the step's samples for people.
    `samples` is the size of an epoch, `step_samples` how many of them a step takes on all devices together. `section`
    of the recipe holds its batches, `less_memory` says what else helps where a pass doesn't fit, and `figures` are what
    else goes into a line of the log.
    """

    name: str
    module: ModuleT
    batch: Callable[[int, int, int], BatchT]
    weight: Callable[[BatchT], float]
    describe: Callable[[int], str]
    samples: int
    step_samples: int
    figures: Callable[[], dict[str, float]] = dict
    section: str = "optim"
    less_memory: str = "model.dtype bfloat16, model.recompute_activations or fewer images"

    def trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that receive gradients, by name."""
        return [(name, parameter) for name, parameter in self.module.named_parameters() if parameter.requires_grad]


Watch = Callable[[int, Accelerator], dict[str, float]]
"""Called between steps, in all processes, with the number of the step; what it finds goes into the log."""


@dataclass(frozen=True)
class Plan:
    """How it is trained; `watch` looks at the model every `watch_every` steps and at the end.

    `about` is kept with every checkpoint: what the run was of when that was saved.
    """

    optim: OptimRecipe
    checkpoint: CheckpointRecipe
    log_every: int
    watch: Watch | None = None
    watch_every: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


def new_accelerator(device: str, trackers: Sequence[str] = (), out: Path | None = None) -> Accelerator:
    """Accelerate's view of devices, processes and trackers: precision and batches are the recipe's.

    Trackers write below `out`. Raises UserError for a device or tracker that isn't there, and for launchers that split
    one model over several processes.
    """
    chosen = resolve_device(device)
    if chosen.type == "cuda" and chosen.index is not None:
        torch.cuda.set_device(chosen)
    if lacking := [name for name in trackers if importlib.util.find_spec(name) is None]:
        raise UserError(f"trackers: {lacking[0]} is not installed: pip install {lacking[0]}, or 'samcli[{lacking[0]}]'")
    settings: dict[str, Any] = {"log_with": list(trackers), "project_dir": out} if trackers else {}
    accelerator = Accelerator(cpu=chosen.type == "cpu", mixed_precision="no", gradient_accumulation_steps=1, **settings)
    if accelerator.distributed_type not in (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU):
        raise UserError(
            f"training under {accelerator.distributed_type.value} is not supported: only a few million numbers train, "
            "so plain data parallelism is enough (torchrun, or accelerate launch --multi_gpu); a language model that "
            "is too large for one GPU is shared out with --set model.shard=true"
        )
    return accelerator


@contextmanager
def first_process_first(accelerator: Accelerator) -> Iterator[None]:
    """Let the first process through the block before all others, which may wait for hours.

    They wait in a group of their own: in training itself nobody should, and a process that hangs is found in minutes.
    """
    if accelerator.num_processes == 1:
        yield
        return
    group = torch.distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
    if not accelerator.is_main_process:
        torch.distributed.barrier(group)
    yield
    if accelerator.is_main_process:
        torch.distributed.barrier(group)


def fit(
    job: Job[BatchT, ModuleT],
    plan: Plan,
    out: Path,
    accelerator: Accelerator,
    *,
    note: Callable[[], None] = lambda: None,
    longer: bool = False,
) -> dict[str, Any]:
    """Train to the end, from the last checkpoint in `out/checkpoints` if there is one.

    Returns the last log record without its times, and under `best` the step and loss of the best validation: what is
    the same however often the run was stopped. `note` is called in the main process before the first step, when nothing
    speaks against going on any more.

    Raises Interrupted after a signal (everything saved), UserError for a checkpoint of something else and on a loss
    that is not finite (nothing overwritten), and where more steps were done than are wanted; `longer`: or as many.
    """
    return _Run(job, plan, out, accelerator).train(note, longer=longer)


class _Ahead(Generic[BatchT]):
    """Makes the next step's batches in a thread while the present ones are used."""

    def __init__(self, make: Callable[[int], list[BatchT]], steps: int) -> None:
        self._make, self._steps = make, steps
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._next: tuple[int, Future[list[BatchT]]] | None = None

    def get(self, step: int) -> list[BatchT]:
        """The batches of this step; those of the next one are begun."""
        begun = self._next is not None and self._next[0] == step
        batches = self._next[1].result() if self._next is not None and begun else self._make(step)
        if step + 1 < self._steps:
            self._next = (step + 1, self._thread.submit(self._make, step + 1))
        return batches

    def close(self) -> None:
        """Wait for the thread; unused batches are dropped."""
        self._thread.shutdown(cancel_futures=True)


class _Run(Generic[BatchT, ModuleT]):
    """One call of `fit`."""

    def __init__(self, job: Job[BatchT, ModuleT], plan: Plan, out: Path, accelerator: Accelerator) -> None:
        self.job, self.plan, self.out, self.accelerator = job, plan, out, accelerator
        self.parts = plan.optim.accumulate * accelerator.num_processes
        if job.step_samples % self.parts:
            raise UserError(
                f"{job.name}: {job.step_samples} samples a step can't be shared evenly by {plan.optim.accumulate} "
                f"passes on {accelerator.num_processes} devices; make batch_size a multiple of {self.parts}"
            )
        self.steps = total_steps(plan.optim, job.samples, accelerator.num_processes)
        self.names = {id(parameter): name for name, parameter in job.trained()}
        self.module: nn.Module = _wrapped(job.module, accelerator)
        self.optimizers = build_optimizers(job.trained(), plan.optim)
        self.log = JsonLines(out / "log.jsonl")
        self.step, self.spent, self.said_at = 0, 0.0, 0.0
        self.losses: list[float] = []  # since the last line of the log
        self.last: dict[str, Any] = {}  # the last line of the log, without times
        self.best: dict[str, float] = {}  # step and validation loss of the best checkpoint
        self.ahead = _Ahead(self._shares, self.steps)

    def train(self, note: Callable[[], None], *, longer: bool) -> dict[str, Any]:
        self._resume()
        section = self.job.section
        if self.step > self.steps or (longer and self.step == self.steps):
            raise UserError(
                f"{self.out} has done {self.step} steps, and the recipe wants {self.steps}: there is nothing left to "
                f"train; raise {section}.steps or {section}.epochs, or start anew with --overwrite"
            )
        if warning := schedule_warning(self.plan.optim, self.steps, section):
            warn(f"{self.job.name}: {warning}")
        if warning := precision_warning(self.plan.optim.precision, self.accelerator.device, section):
            warn(f"{self.job.name}: {warning}")
        if self.accelerator.is_main_process:
            note()
        began = time.monotonic() - self.spent
        self.saved_at = time.monotonic()
        with (
            closing(self.ahead),
            listening() as stop,
            progress(self.job.name, self.steps, self.step, lines=False) as advance,
        ):
            while self.step < self.steps:
                with self._enough_memory():
                    record = self._one_step()
                self.step += 1
                self.spent = time.monotonic() - began
                advance(1, self._note(record))
                self._log(record)
                improved = self._watch()
                self._save_if_due(stop, improved)
        self._say_how_it_went()
        return self.last | ({"best": self.best} if self.best else {})

    def _say_how_it_went(self) -> None:
        found = f"{self.job.name}: {self.steps} steps in {self.spent / 60:.1f} min, loss {self.last['loss']:.4f}"
        if self.best:
            found += f", lowest validation loss {self.best['validation_loss']:.4f} at step {self.best['step']}"
        say(found)

    def _watch(self) -> bool:
        """Look at the model where it is time to; whether it is better than it ever was."""
        watch, every = self.plan.watch, self.plan.watch_every
        if watch is None or (self.step % every and self.step != self.steps):
            return False
        with autocast(self.plan.optim.precision, self.accelerator.device):
            found = watch(self.step, self.accelerator)
        loss = found.get("validation_loss", math.inf)
        if not math.isfinite(loss):
            warn(f"{self.job.name}: step {self.step}: validation loss {loss}")
            return False
        if self.accelerator.is_main_process:
            self.log.append({"step": self.step, **found})
        self.accelerator.log(found, step=self.step)
        if loss >= self.best.get("validation_loss", math.inf):
            return False
        self.best = {"step": self.step, "validation_loss": loss}
        return True

    def _shares(self, step: int) -> list[BatchT]:
        """This process's shares of the step's samples, one for each pass."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        return [self.job.batch(step, part, self.parts) for part in range(rank, self.parts, processes)]

    def _one_step(self) -> dict[str, Any]:
        optim = self.plan.optim
        per_epoch = max(1, self.job.samples // self.job.step_samples)
        rate = learning_rate(optim, self.step, self.steps, per_epoch)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        loss = self._backward()
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise UserError(
                f"{self.job.name}: step {self.step}: loss {loss}, gradient norm {norm}: not finite, so the run stops. "
                f"Batch: {self.job.describe(self.step)}. The last good checkpoint is kept; "
                f"look at these samples, or start anew with a lower {self.job.section}.learning_rate"
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return {"step": self.step + 1, "loss": loss, "learning_rate": rate, "gradient_norm": norm}

    def _enough_memory(self) -> AbstractContextManager[None]:
        """Of the next step; more passes change nothing but the memory it takes."""
        return enough_memory(
            f"at step {self.step} of {self.job.name}, batch: {self.job.describe(self.step)}",
            f"{self._smaller_passes()}. The last good checkpoint is kept, and {GOES_ON}",
        )

    def _smaller_passes(self) -> str:
        """The next number of passes that shares a step out evenly: the same batch in less memory."""
        optim, processes = self.plan.optim, self.accelerator.num_processes
        a_device = self.job.step_samples // processes
        more = next((n for n in range(optim.accumulate + 1, a_device + 1) if a_device % n == 0), None)
        if more is None:
            return f"a pass holds one sample already: {self.job.less_memory}"
        section = self.job.section
        return (
            f"a pass holds {a_device // optim.accumulate} samples; --set {section}.batch_size={optim.batch_size} --set "
            f"{section}.accumulate={more} trains the same batches, {a_device // more} samples a pass"
        )

    def _backward(self) -> float:
        """Gradients of the mean loss over the whole step, however it is shared out; return that loss."""
        shares = self.ahead.get(self.step)
        weights = [self.job.weight(batch) for batch in shares]
        whole = float(self._sum(torch.tensor(sum(weights), dtype=torch.float64)))
        total = torch.zeros((), device=self.accelerator.device)
        for number, (batch, weight) in enumerate(zip(shares, weights, strict=True), 1):
            held = nullcontext() if number == len(shares) else self.accelerator.no_sync(self.module)
            with held:  # processes exchange gradients once a step
                with autocast(self.plan.optim.precision, self.accelerator.device):
                    loss: Tensor = self.module(batch)
                self.accelerator.backward(loss * (weight / whole * self.accelerator.num_processes))
            total += loss.detach() * (weight / whole)
        return float(self._sum(total))

    def _sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.accelerator.num_processes == 1:
            return value
        summed: Tensor = self.accelerator.reduce(value.to(self.accelerator.device, torch.float32), "sum")
        return summed

    def _clip(self) -> float:
        limit = self.plan.optim.clip_norm or math.inf
        return float(nn.utils.clip_grad_norm_([parameter for _, parameter in self.job.trained()], limit))

    def _speed(self) -> float:
        return self.step * self.job.step_samples / max(self.spent, 1e-9)

    def _note(self, record: dict[str, Any]) -> str:
        return f"loss {record['loss']:.3f}  rate {record['learning_rate']:.1e}  {self._speed():.0f}/s"

    def _log(self, record: dict[str, Any]) -> None:
        self.losses.append(record["loss"])
        if self.step % self.plan.log_every and self.step != self.steps:
            return
        self.last = record | {"loss": sum(self.losses) / len(self.losses)}
        times = {
            "samples_per_second": round(self._speed(), 2),
            "seconds": round(self.spent, 1),
            "seconds_left": round(self.spent / self.step * (self.steps - self.step), 1),
        }
        self.losses.clear()
        figures = self.job.figures()
        shown = {name: value for name, value in self.last.items() if name != "step"}
        self.accelerator.log(shown | figures, step=self.step)
        if self.accelerator.is_main_process:
            self.log.append(self.last | figures | times)
            self._say(figures, times["seconds_left"])

    def _say(self, figures: Mapping[str, float], seconds_left: float) -> None:
        """Where no bar can be drawn, a line now and then."""
        if not sys.stderr.isatty() and time.monotonic() - self.said_at > SECONDS_BETWEEN_LINES:
            self.said_at = time.monotonic()
            note = "  ".join([self._note(self.last), *(f"{name} {value:.3g}" for name, value in figures.items())])
            say(f"{self.job.name}: step {self.step} of {self.steps}  {note}  {seconds_left / 60:.0f} min left")

    def _save_if_due(self, stop: StopRequest, improved: bool) -> None:
        settings = self.plan.checkpoint
        minutes = (time.monotonic() - self.saved_at) / 60
        late = settings.every_minutes is not None and minutes >= settings.every_minutes
        late, signal_number = self._agreed(late, stop.signal_number or 0)
        by_steps = settings.every_steps is not None and self.step % settings.every_steps == 0
        best = improved and settings.keep_best
        if late or signal_number or by_steps or best or self.step == self.steps:
            self.save()
        if signal_number:
            where = self.out / "checkpoints"
            raise Interrupted(signal_number, f"stopped at step {self.step}, saved in {where}; {GOES_ON}")

    def _agreed(self, late: bool, signal_number: int) -> tuple[bool, int]:
        """What any process noticed, known to all: clocks and signals differ, but all must save at the same step."""
        if self.accelerator.num_processes == 1:
            return late, signal_number
        noticed = torch.tensor([[int(late), signal_number]], device=self.accelerator.device)
        latest = self.accelerator.gather(noticed).amax(dim=0)
        return bool(latest[0]), int(latest[1])

    def save(self) -> None:
        """Write a checkpoint from the main process; the others wait for it."""
        if self.accelerator.is_main_process:
            parameters: dict[str, Tensor] = dict(self.job.trained())
            state = {"spent": self.spent, "losses": self.losses, "last": self.last, "best": self.best}
            state |= {"processes": self.accelerator.num_processes, "step_samples": self.job.step_samples}
            state |= {"optimizer": self.plan.optim.optimizer, "about": dict(self.plan.about)}
            state["rng"] = torch.get_rng_state().tolist()
            checkpoint = Checkpoint(self.step, parameters, optimizer_tensors(self.optimizers, self.names), state)
            best = int(self.best["step"]) if self.best and self.plan.checkpoint.keep_best else None
            save_checkpoint(self.out / "checkpoints", checkpoint, self.plan.checkpoint.keep, best)
        self.accelerator.wait_for_everyone()
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        checkpoint = latest_checkpoint(self.out / "checkpoints")
        self._check_agreement(checkpoint.step if checkpoint is not None else 0)
        if checkpoint is None:
            if self.accelerator.is_main_process:
                self.log.path.unlink(missing_ok=True)
            return
        own = dict(self.job.trained())
        if _shapes(own) != _shapes(checkpoint.parameters):
            raise UserError(f"{self.out}: its checkpoint is of other parameters; use another --out or --overwrite")
        self._check_state(checkpoint.state)
        with torch.no_grad():
            for name, value in checkpoint.parameters.items():
                own[name].copy_(value)
        load_optimizer_tensors(self.optimizers, self.names, checkpoint.moments)
        torch.set_rng_state(torch.tensor(checkpoint.state["rng"], dtype=torch.uint8))
        self.step, self.spent = checkpoint.step, checkpoint.state["spent"]
        self.losses, self.last = checkpoint.state["losses"], checkpoint.state["last"]
        self.best = checkpoint.state.get("best", {})
        if self.accelerator.is_main_process:
            self._trim_log()
        say(f"{self.job.name}: going on from step {self.step} of {self.steps}")

    def _check_agreement(self, step: int) -> None:
        """Raise UserError when processes would go on from different steps, and later wait for one another in vain."""
        if self.accelerator.num_processes == 1:
            return
        steps = self.accelerator.gather(torch.tensor([step], device=self.accelerator.device)).tolist()
        if len(set(steps)) > 1:
            raise UserError(
                f"{self.out}: the processes see checkpoints of steps {steps}; give an --out on a disk that all "
                "machines share"
            )

    def _check_state(self, state: dict[str, Any]) -> None:
        """Raise UserError when the moments are another optimiser's, or a step had another number of samples.

        Then some samples would be seen twice or never.
        """
        optimizer = self.plan.optim.optimizer
        if (former := state.get("optimizer", optimizer)) != optimizer:
            raise UserError(
                f"{self.out} was begun with {self.job.section}.optimizer: {former}; {optimizer} can't go on from its "
                f"moments. Keep {former}, or start anew with --overwrite"
            )
        now, before = self.job.step_samples, state.get("step_samples")
        if before not in (None, now):
            raise UserError(
                f"{self.out} was begun with {before} samples a step on processes: {state['processes']}; now a step has "
                f"{now}, on {self.accelerator.num_processes}, since {self.job.section}.batch_is is "
                "per-device. Start as many processes as before, or anew with --overwrite"
            )

    def _trim_log(self) -> None:
        """Drop log lines of steps that will be done again."""
        kept = [record for record in self.log.read() if record["step"] <= self.step]
        self.log.rewrite(kept)


def _shapes(parameters: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in parameters.items()}


def _wrapped(module: nn.Module, accelerator: Accelerator) -> nn.Module:
    """The module with its gradients summed over processes; what is shared out among them is none of its business."""
    shared_out = [name for name, value in module.named_parameters() if isinstance(value, DTensor)]
    if shared_out:
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, shared_out)
    wrapped: nn.Module = accelerator.prepare_model(module)
    return wrapped
