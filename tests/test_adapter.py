"""Adapters on disk: exact, tied to their base, whole or not at all, and never a program."""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import samcli.model.adapter as adapter_module
from samcli.errors import UserError
from samcli.files import save_tensors, sha256
from samcli.model.adapter import find_adapter, save_adapter
from samcli.model.captioner import q_former_model
from samcli.model.load import Base, load_base, load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import ModelRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import save_small
from tests.test_load import SIZES, Bomb, answer, check_precision

GUIDANCE = GuidanceRecipe(from_layer=1, to_layer=2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("model"), SIZES)


def trained(base: Base, guidance: GuidanceRecipe = GUIDANCE) -> SemanticAlignmentModel:
    """A model whose trained parameters are all different from what they start from."""
    torch.manual_seed(5)
    model = SemanticAlignmentModel(base.model, MethodRecipe(guidance=guidance))
    with torch.no_grad():
        for _, parameter in model.trained_parameters():
            parameter.add_(torch.randn(parameter.shape))
    return model


def record_of(base: Base, guidance: GuidanceRecipe = GUIDANCE) -> dict[str, Any]:
    named = {"id": base.name, "revision": base.revision, "hash": base.weights_hash}
    data = {"name": "two-pictures", "samples": 1200}
    return {"base": named, "guidance": guidance.model_dump(mode="json"), "data": data}


@pytest.fixture(scope="module")
def made(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "adapter"
    base = load_base(ModelRecipe(base=str(saved)))
    save_adapter(directory, trained(base), record_of(base))
    return directory


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A whole adapter, free to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "adapter"))


def refusal(adapter: Path, model: str | None = None) -> str:
    with pytest.raises(UserError) as raised:
        load_model(model, str(adapter), device="cpu")
    return str(raised.value)


def test_a_whole_model_is_told_from_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "config.json").write_text("{}")
    told = f"{tmp_path / 'run' / 'model'} is a whole model: give it by --model"
    assert refusal(tmp_path / "run").endswith(told)
    assert refusal(tmp_path / "run" / "model").endswith(told)


def change_record(adapter: Path, **changes: Any) -> None:
    record = json.loads((adapter / "adapter.json").read_text(encoding="utf-8")) | changes
    (adapter / "adapter.json").write_text(json.dumps(record), encoding="utf-8")


def change_tensors(adapter: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(adapter / "adapter.safetensors")
    change(tensors)
    save_file(tensors, adapter / "adapter.safetensors")
    change_record(adapter, sha256=sha256(adapter / "adapter.safetensors"))


# What is whole.


def test_round_trip_is_exact(adapter: Path, saved: Path) -> None:
    expected = dict(trained(load_base(ModelRecipe(base=str(saved)))).trained_parameters())
    captioner = load_model(None, str(adapter), device="cpu")
    found = dict(captioner.model.trained_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert (captioner.name, captioner.adapter) == (str(saved), str(adapter))
    guidance = q_former_model(captioner, "the test").guidance
    assert guidance is not None
    assert guidance.settings == GUIDANCE


def test_saving_twice_gives_equal_bytes(adapter: Path, saved: Path, tmp_path: Path) -> None:
    base = load_base(ModelRecipe(base=str(saved)))
    save_adapter(tmp_path / "again", trained(base), record_of(base))
    for path in adapter.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "again"]


def test_card_says_what_it_is(adapter: Path, saved: Path) -> None:
    card = (adapter / "README.md").read_text(encoding="utf-8")
    assert str(saved) in card
    assert "Data: two-pictures, 1,200 samples" in card


def test_others_may_read_what_they_may_read_of_the_record(adapter: Path) -> None:
    assert (adapter / "adapter.safetensors").stat().st_mode == (adapter / "adapter.json").stat().st_mode


def test_base_may_lie_elsewhere(adapter: Path, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "moved")
    assert load_model(str(tmp_path / "moved"), str(adapter), device="cpu").name == str(tmp_path / "moved")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_base(adapter: Path, dtype: str) -> None:
    half = load_model(None, str(adapter), device="cpu", dtype=dtype)
    check_precision(half, load_model(None, str(adapter), device="cpu"))
    assert isinstance(answer(half), str)


# What doesn't belong together.


def test_other_base(adapter: Path, tmp_path: Path) -> None:
    other = save_small(tmp_path / "other", SIZES, seed=1)
    message = refusal(adapter, str(other))
    assert message.startswith(f"adapter {adapter} was trained on ")
    assert f", not on {other} (weights " in message
    assert message.endswith("; give --model the right base")


def test_wrong_names_and_shapes(adapter: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["guide_in.scale"] = tensors.pop("guide_in.bias")
        tensors["guide_out.bias"] = torch.zeros(3)

    change_tensors(adapter, change)
    expected = "guide_in.bias is missing; guide_in.scale is unknown; guide_out.bias is (3,), expected (16,)"
    assert refusal(adapter) == f"adapter {adapter} does not fit the model: {expected}"


def test_layers_that_the_base_lacks(adapter: Path, saved: Path) -> None:
    change_record(adapter, guidance={"from_layer": 12, "to_layer": 12})
    expected = "guidance.to_layer is 12, but the Q-Former has 2 layers"
    assert refusal(adapter) == f"adapter {adapter} does not fit {saved}: {expected}"


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format(adapter: Path, version: Any) -> None:
    change_record(adapter, format=version)
    assert f"adapter format {version}, this version of sam reads format 1" in refusal(adapter)


# What is damaged, or something else.


@pytest.mark.parametrize("name", ["adapter.safetensors", "adapter.json"])
def test_missing_file(adapter: Path, name: str) -> None:
    (adapter / name).unlink()
    assert refusal(adapter) == f"{adapter} is not an adapter: it lacks {name}; `sam train` writes them"


@pytest.mark.parametrize("name", ["/nowhere", "./nowhere", "nowhere", "a/b/c"])
def test_no_such_adapter(name: str) -> None:
    assert refusal(Path(name)).startswith(f"no adapter {Path(name)}: neither a directory that `sam train` wrote nor ")


@pytest.mark.parametrize("text", ["[]", "null", '"text"'])
def test_record_that_is_none(adapter: Path, text: str) -> None:
    (adapter / "adapter.json").write_text(text, encoding="utf-8")
    assert refusal(adapter).startswith(f"{adapter} is not an adapter: its adapter.json holds no object")


@pytest.mark.parametrize("changes", [{"base": None}, {"base": {"id": "x"}}, {"guidance": {"depth": 1}}])
def test_record_with_wrong_values(adapter: Path, changes: dict[str, Any]) -> None:
    change_record(adapter, **changes)
    assert refusal(adapter).startswith(f"{adapter}: damaged adapter (")


def header(length: int) -> bytes:
    return struct.pack("<Q", length) + b"{}"


DAMAGED = {
    "empty": b"",
    "half a length": b"\x00\x00",
    "header beyond the file": header(1000),
    "header of 8 EiB": header(2**63),
    "header without end": header(90_000_000) + b" " * 1000,
    "pickle": pickle.dumps({"guide_in.bias": [0.0]}),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_file_that_holds_no_tensors(adapter: Path, data: bytes) -> None:
    (adapter / "adapter.safetensors").write_bytes(data)
    assert refusal(adapter).startswith(f"{adapter}: damaged adapter (SafetensorError: ")


def test_truncated_file(adapter: Path) -> None:
    data = (adapter / "adapter.safetensors").read_bytes()
    (adapter / "adapter.safetensors").write_bytes(data[:-100])
    assert refusal(adapter).startswith(f"{adapter}: damaged adapter (SafetensorError: ")


def test_tensors_of_another_record(adapter: Path) -> None:
    tensors = load_file(adapter / "adapter.safetensors")
    tensors["guide_in.bias"] += 1
    save_file(tensors, adapter / "adapter.safetensors")
    expected = "adapter.safetensors is not the file that adapter.json was written with"
    assert refusal(adapter) == f"{adapter}: damaged adapter: {expected}"


@pytest.mark.parametrize("as_torch", [True, False])
def test_pickle_is_never_read(adapter: Path, tmp_path: Path, as_torch: bool) -> None:
    bomb = Bomb(tmp_path / "ran")
    if as_torch:
        torch.save(bomb, adapter / "adapter.safetensors")
    else:
        (adapter / "adapter.safetensors").write_bytes(pickle.dumps(bomb))
    (adapter / "adapter.bin").write_bytes(pickle.dumps(bomb))
    assert refusal(adapter).startswith(f"{adapter}: damaged adapter (SafetensorError: ")
    assert not (tmp_path / "ran").exists()


# A disk that fills up.


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["save_tensors", "write_json", "write_text"])
def test_full_disk_leaves_the_old_adapter(
    adapter: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = {path.name: path.read_bytes() for path in adapter.iterdir()}
    base = load_base(ModelRecipe(base=str(saved)))
    monkeypatch.setattr(adapter_module, step, full)
    with pytest.raises(UserError, match="No space left on device"):
        save_adapter(adapter, SemanticAlignmentModel(base.model, MethodRecipe(guidance=GUIDANCE)), record_of(base))
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before
    assert list(adapter.parent.iterdir()) == [adapter]
    assert find_adapter(str(adapter)).base == str(saved)


def test_full_device_is_told(tmp_path: Path) -> None:
    def write(path: str) -> None:
        with open("/dev/full", "w") as file:
            file.write(path)

    with pytest.raises(UserError, match="No space left on device; what was there before is unchanged"):
        save_tensors(tmp_path / "adapter.safetensors", write)
    assert not list(tmp_path.iterdir())
