"""Our side of the bridge: a worker process that is asked in JSON lines."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from samcli.console import say
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.recipe import DecodingRecipe

PREFIX = "lavis:"
PYTHON = "SAM_LAVIS_PYTHON"
WORKER = Path(__file__).with_name("worker.py")
_HOW = "docs/lavis.md says how to set it up"


def is_lavis(model: str) -> bool:
    """Whether a model is one of LAVIS's."""
    return model.startswith(PREFIX)


def parts_of(model: str) -> tuple[str, str]:
    """`lavis:blip2_opt/pretrain_opt2.7b` as (blip2_opt, pretrain_opt2.7b); raises UserError for anything else."""
    name, slash, kind = model.removeprefix(PREFIX).partition("/")
    if not (name and slash and kind):
        raise UserError(f"{model}: expected {PREFIX}MODEL/TYPE, such as {PREFIX}blip2_opt/pretrain_opt2.7b")
    return name, kind


class LavisWorker:
    """A process of the Python that has LAVIS, named by $SAM_LAVIS_PYTHON; ends with the block."""

    def __init__(self) -> None:
        python = os.environ.get(PYTHON)
        if not python:
            raise UserError(f"LAVIS lives in an environment of its own: set {PYTHON} to its Python; {_HOW}")
        try:
            self._process = subprocess.Popen(  # noqa: S603  the user's own program
                [python, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is ours to answer; the worker ends with its standard input
            )
        except OSError as error:
            raise UserError(f"{PYTHON}={python} can't be started: {error.strerror or error}; {_HOW}") from error

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Its reply; raises UserError for what went wrong there, and when it has ended."""
        sender, receiver = self._process.stdin, self._process.stdout
        if sender is None or receiver is None:
            raise UserError("the LAVIS worker has no streams")
        try:
            sender.write(json.dumps({"do": do, **more}) + "\n")
            sender.flush()
            line = receiver.readline()
        except OSError:
            line = ""
        if not line:
            raise UserError(f"the LAVIS worker ended (exit code {self._process.wait()}); its last words are above")
        reply = json.loads(line)
        if "error" in reply:
            raise UserError(f"LAVIS: {reply['error']}")
        answer: dict[str, Any] = reply["ok"]
        return answer

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()


class LavisModel:
    """A BLIP-2 of LAVIS; its worker is started, and the model loaded, at the first question."""

    def __init__(self, model: str, device: str) -> None:
        self.model, self.device = model, device
        self._worker: LavisWorker | None = None

    def worker(self) -> LavisWorker:
        """The process with the model in it."""
        if self._worker is None:
            name, kind = parts_of(self.model)
            started = LavisWorker()
            say(f"loading {self.model} in LAVIS")
            started.ask("load", model=name, type=kind, device=self.device)
            self._worker = started
        return self._worker


class LavisAnswers:
    """What a BLIP-2 of LAVIS answers, several images as their visual tokens one behind the other."""

    def __init__(self, model: LavisModel, decoding: DecodingRecipe) -> None:
        """Raises UserError for a way of decoding that LAVIS doesn't have."""
        for key in ("temperature", "no_repeat_ngram"):
            if getattr(decoding, key):
                raise UserError(f"decoding.{key}: LAVIS's models are asked without it")
        self.model = model
        self.how = {
            "beams": decoding.beams,
            "tokens": decoding.max_length - 1,
            "penalties": {
                "repetition_penalty": decoding.repetition_penalty,
                "length_penalty": decoding.length_penalty,
                "min_length": decoding.min_length,
            },
        }

    def to(self, samples: Sequence[Sample]) -> Iterator[tuple[int, tuple[str | None, str | None]]]:
        """Text or error for each sample; one that can't be answered doesn't spoil the others."""
        yield from enumerate(map(self._one, samples))

    def _one(self, sample: Sample) -> tuple[str | None, str | None]:
        worker = self.model.worker()
        asked = {"images": [str(path) for path in sample.images], "prompt": sample.instruction}
        try:
            return worker.ask("answer", requests=[asked], **self.how)["texts"][0], None
        except UserError as error:
            if worker.ended:
                raise
            return None, str(error)
