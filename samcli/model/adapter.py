"""What training changes, on disk: `adapter.safetensors`, `adapter.json` and a model card."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from samcli import __version__
from samcli.errors import UserError
from samcli.files import read_json, save_tensors, sha256, sync, write_json, write_text
from samcli.model.find import HUB_EXAMPLE, is_released
from samcli.model.hub import fetch, is_hub_id
from samcli.model.released import released_adapter
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe_method import MethodRecipe

FORMAT = 1
FILES = TENSORS, RECORD, CARD = "adapter.safetensors", "adapter.json", "README.md"


@dataclass(frozen=True)
class Adapter:
    """Trained parameters and where they come from."""

    name: str
    base: str
    revision: str | None
    base_hash: str
    method: MethodRecipe
    tensors: dict[str, Tensor]
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def completed_from(self) -> str | None:
        """What the `.pth` that it was trained on was laid over, if it was one."""
        base = self.record.get("base")
        return base.get("completed_from") if isinstance(base, dict) else None

    def check_base(self, base: str, base_hash: str) -> None:
        """Raise UserError when the adapter was trained on other weights than these."""
        if self.base_hash and base_hash and self.base_hash != base_hash:
            raise UserError(
                f"adapter {self.name} was trained on {self.base} (weights {self.base_hash[:12]}), "
                f"not on {base} (weights {base_hash[:12]}); give --model the right base"
            )

    def load_into(self, model: SemanticAlignmentModel) -> None:
        """Copy the tensors into the model; raises UserError unless names and shapes are exactly the model's."""
        own = dict(model.trained_parameters())
        faults = [f"{name} is missing" for name in own.keys() - self.tensors.keys()]
        faults += [f"{name} is unknown" for name in self.tensors.keys() - own.keys()]
        faults += [
            f"{name} is {tuple(self.tensors[name].shape)}, expected {tuple(own[name].shape)}"
            for name in own.keys() & self.tensors.keys()
            if self.tensors[name].shape != own[name].shape
        ]
        if faults:
            raise UserError(f"adapter {self.name} does not fit the model: {'; '.join(sorted(faults))}")
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(self.tensors[name])


def save_adapter(directory: Path, model: SemanticAlignmentModel, record: dict[str, Any]) -> None:
    """Write a model's trained parameters and `record`; see `write_adapter`."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.trained_parameters()}
    write_adapter(directory, tensors, record)


def write_adapter(directory: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write trained parameters and `record` (base, recipe, data, scores ...); what fails changes nothing.

    All files are written beside `directory` first and renamed when they are whole. Raises UserError for a full disk.
    """
    directory = directory.resolve()
    trained = sum(value.numel() for value in tensors.values())
    staging = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    try:
        save_tensors(staging / TENSORS, lambda path: save_file(tensors, path))
        digest = {"sha256": sha256(staging / TENSORS)}
        record = {"format": FORMAT, "samcli": __version__, "trained_parameters": trained, **record, **digest}
        write_json(staging / RECORD, record)
        write_text(staging / CARD, _card(record))
        os.chmod(staging / TENSORS, (staging / RECORD).stat().st_mode)  # safetensors lets only the owner read it
        directory.mkdir(exist_ok=True)
        for name in (TENSORS, RECORD, CARD):
            os.replace(staging / name, directory / name)
        sync(directory)
    except OSError as error:
        raise UserError(f"can't write {directory}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def is_adapter_place(directory: Path) -> bool:
    """Whether an adapter may be written there: nothing but an adapter is in it."""
    return directory.is_dir() and {path.name for path in directory.iterdir()} <= set(FILES)


def find_adapter(name: str, *, of_model: bool = False) -> Adapter:
    """Read an adapter from a directory, the hub or the authors' `.pth`; raises UserError that says what is wrong."""
    if is_released(name):
        return _released(name, of_model)
    directory = _directory(name)
    missing = [entry for entry in (TENSORS, RECORD) if not (directory / entry).is_file()]
    if missing:
        raise UserError(f"{name} is not an adapter: it lacks {', '.join(missing)}; {_hint(directory)}")
    record = read_json(directory / RECORD)
    if not isinstance(record, dict):
        raise UserError(f"{name} is not an adapter: its {RECORD} holds no object; `sam train` writes it")
    if record.get("format") != FORMAT:
        raise UserError(
            f"{name}: adapter format {record.get('format')}, this version of sam reads format {FORMAT}; "
            "train it again, or use the version of sam that wrote it"
        )
    try:
        method = _method(record)
        base = record["base"]
        tensors = load_file(directory / TENSORS)
        intact = record.get("sha256") in (None, sha256(directory / TENSORS))
        adapter = Adapter(name, base["id"], base["revision"], base["hash"], method, tensors, record)
    except (KeyError, TypeError, ValidationError, SafetensorError) as error:
        raise UserError(f"{name}: damaged adapter ({type(error).__name__}: {str(error).splitlines()[0]})") from error
    if not intact:
        raise UserError(f"{name}: damaged adapter: {TENSORS} is not the file that {RECORD} was written with")
    return adapter


def _hint(directory: Path) -> str:
    """What may have been meant by a directory that holds no adapter."""
    if (directory / "adapter" / RECORD).is_file():
        return f"did you mean {directory / 'adapter'}?"
    whole = next((path for path in (directory, directory / "model") if (path / "config.json").is_file()), None)
    return "`sam train` writes them" if whole is None else f"{whole} is a whole model: give it by --model"


def _released(name: str, of_model: bool) -> Adapter:
    """The authors' trained parameters; which base they were trained on the file doesn't say.

    `of_model`: the file is the base as well, so that it may hold more.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"no adapter {name}: there is no such file")
    return Adapter(name, HUB_EXAMPLE, None, "", MethodRecipe(), released_adapter(path, alone=not of_model))


def method_record(method: MethodRecipe) -> dict[str, Any]:
    """What `adapter.json` says of a method: guidance, whether it is on or off, and what else is on."""
    settings = method.model_dump(mode="json")
    return {name: values for name, values in settings.items() if name == "guidance" or values["enabled"]}


def _method(record: dict[str, Any]) -> MethodRecipe:
    others = {name: record[name] for name in MethodRecipe.model_fields if name in record}
    return MethodRecipe.model_validate({"guidance": record["guidance"]} | others)


def _directory(name: str) -> Path:
    """Where an adapter's files are; a hub adapter is downloaded when there is a network."""
    directory = Path(name).expanduser()
    if directory.is_dir():
        return directory
    if not is_hub_id(name):
        raise UserError(f"no adapter {name}: neither a directory that `sam train` wrote nor a hub id OWNER/NAME")
    return fetch(name, "adapter", (TENSORS, RECORD, CARD))


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in settings.items())


def _card(record: dict[str, Any]) -> str:
    base, data = record["base"], record.get("data", {})
    facts = {
        "Base": f"`{base['id']}`" + (f", revision {base['revision']}" if base["revision"] else ""),
        "Weights of the base, SHA-256": base["hash"],
        "Trained parameters": f"{record['trained_parameters']:,}",
        **{name.capitalize(): _listed(record[name]) for name in MethodRecipe.model_fields if name in record},
        "Data": f"{data['name']}, {data['samples']:,} samples" if data else "not recorded",
    }
    named = [f"base_model: {base['id']}"] if is_hub_id(base["id"]) else []
    lines = [
        *("---", *named, "library_name: samcli", "tags: [multi-image, instructblip]", "---", ""),
        "# A SAM adapter",
        "",
        *(f"- {name}: {fact}" for name, fact in facts.items()),
        "",
        'Use it: `sam caption A.png B.png --prompt "..." --adapter DIRECTORY`',
        "",
        "The whole recipe and the last figures of its training are in `adapter.json`.",
    ]
    return "\n".join(lines) + "\n"
