"""Models from disk: what is whole is loaded as it was saved, what isn't is refused with one clear line."""

import json
import os
import pickle
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from samcli.errors import UserError
from samcli.model.captioner import Captioner, q_former_model
from samcli.model.find import TINY, find_base
from samcli.model.llava.load import patch_directory
from samcli.model.load import load_base, load_model, resolve_device
from samcli.recipe import DecodingRecipe, ModelRecipe
from tests.small_models import save_small, small_base, small_sizes

SIZES = small_sizes(patch_size=8)
PROMPT = "what do both pictures show"
GREEDY = DecodingRecipe(beams=1, max_length=10)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("model"), SIZES)


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """The saved model, free to be damaged."""
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def refusal(model: str | Path, **more: Any) -> str:
    with pytest.raises(UserError) as raised:
        load_model(str(model), "none", **more)
    return str(raised.value)


def test_a_trainings_own_directory_is_told_from_the_model_in_it(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "config.json").write_text("{}")
    hint = f"; did you mean {tmp_path / 'run' / 'model'}?"
    assert refusal(tmp_path / "run").endswith(hint)
    with pytest.raises(UserError, match=re.escape(hint)):
        patch_directory(str(tmp_path / "run"), None)


def pictures() -> list[Image.Image]:
    return [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (30, 40), "blue")]


def answer(captioner: Captioner) -> str:
    return captioner.caption(pictures(), PROMPT, GREEDY)


def check_precision(captioner: Captioner, single: Captioner) -> None:
    """The visual tokens are those of the model in float32, but for what its own numbers must round away."""
    made, expected = visual_tokens(captioner), visual_tokens(single)
    rounding = torch.finfo(captioner.model.base.vision_model.dtype).eps * float(expected.abs().max())
    torch.testing.assert_close(made, expected, rtol=0, atol=3 * rounding)


@torch.no_grad()
def visual_tokens(captioner: Captioner) -> torch.Tensor:
    squares = [captioner.processor.square(picture) for picture in pictures()]
    return captioner.model.visual_tokens(captioner.processor.batch([squares], [PROMPT])).float()


# What is whole.


def test_saved_model_comes_back(saved: Path) -> None:
    captioner = load_model(str(saved), "none", device="cpu")
    for name, value in small_base(SIZES).state_dict().items():
        torch.testing.assert_close(captioner.model.base.state_dict()[name], value.half().float(), rtol=0, atol=0)
    assert (captioner.name, captioner.adapter, q_former_model(captioner, "the test").guidance) == (
        str(saved),
        None,
        None,
    )
    assert not q_former_model(captioner, "the test").training
    assert answer(captioner) == answer(load_model(str(saved), "none", device="cpu")) != ""


def test_sharded_weights_are_the_same_model(saved: Path, tmp_path: Path) -> None:
    whole = load_model(str(saved), "none", device="cpu")
    shutil.copytree(saved, tmp_path / "shards", ignore=shutil.ignore_patterns("*.safetensors"))
    whole.model.base.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    assert answer(load_model(str(tmp_path / "shards"), "none", device="cpu")) == answer(whole)


def test_missing_shard(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "shards", ignore=shutil.ignore_patterns("*.safetensors"))
    small_base(SIZES).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    sorted((tmp_path / "shards").glob("*.safetensors"))[1].unlink()
    assert refusal(tmp_path / "shards").startswith(f"can't load {tmp_path / 'shards'}: ")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype(saved: Path, dtype: str) -> None:
    captioner = load_model(str(saved), "none", device="cpu", dtype=dtype)
    assert captioner.model.base.vision_model.post_layernorm.weight.dtype == getattr(torch, dtype)
    check_precision(captioner, load_model(str(saved), "none", device="cpu"))
    assert isinstance(answer(captioner), str)


def test_hash_tells_weights_apart(saved: Path, tmp_path: Path) -> None:
    first = load_base(ModelRecipe(base=str(saved)))
    other = load_base(ModelRecipe(base=str(save_small(tmp_path / "other", SIZES, seed=1))))
    again = load_base(ModelRecipe(base=str(save_small(tmp_path / "again", SIZES))))
    assert first.weights_hash == again.weights_hash != other.weights_hash


def test_weights_are_hashed_for_who_asks_alone(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samcli.model.find.weights_hash", None)
    assert answer(load_model(str(saved), "none", device="cpu"))


# What isn't.


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere", "nowhere", "a/b/c"])
def test_no_such_directory(name: str) -> None:
    assert refusal(name).startswith(f"no model {name}: neither `tiny`, nor a directory, nor a hub id such as ")


@pytest.mark.parametrize("entry", ["config.json", "qformer_tokenizer"])
def test_directory_that_lacks_a_part(copy: Path, entry: str) -> None:
    (copy / entry).rename(copy / "elsewhere")
    assert refusal(copy) == f"{copy} is not an InstructBLIP in the hub's format: it lacks {entry}"


def change_config(directory: Path, **changes: Any) -> None:
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")


def test_other_kind_of_model(copy: Path) -> None:
    change_config(copy, model_type="blip-2")
    assert refusal(copy).startswith(f"{copy} is a blip-2 model; needed is an InstructBLIP (")


def test_unknown_kind_of_model_runs_no_code_of_its_own(copy: Path, tmp_path: Path) -> None:
    change_config(copy, model_type="mine", auto_map={"AutoConfig": "code.Config"})
    (copy / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n", encoding="utf-8")
    assert refusal(copy).startswith(f"can't load {copy}: ")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_damaged_config(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text, encoding="utf-8")
    assert refusal(copy).startswith(f"can't load {copy}: ")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_bare_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert refusal(tmp_path / name).startswith(f"{tmp_path / name} is a bare checkpoint without its configuration; ")


def test_truncated_weights(copy: Path) -> None:
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: len(data) // 2])
    assert refusal(copy).startswith(f"can't load {copy}: ")


def test_weights_that_lack_a_tensor_are_not_filled_with_chance(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    del tensors["qformer.embeddings.layernorm.weight"], tensors["query_tokens"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    expected = "its files lack 2 of the model's tensors, such as qformer.embeddings.layernorm.weight; "
    assert refusal(copy) == f"can't load {copy}: {expected}copy or download them again"


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_bomb_is_a_bomb(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "ran")))  # noqa: S301
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("as_torch", [True, False])
def test_pickle_is_never_read(copy: Path, tmp_path: Path, name: str, as_torch: bool) -> None:
    (copy / "model.safetensors").unlink()
    bomb = Bomb(tmp_path / "ran")
    if as_torch:
        torch.save(bomb, copy / name)
    else:
        (copy / name).write_bytes(pickle.dumps(bomb))
    assert refusal(copy).startswith(f"can't load {copy}: ")
    assert not (tmp_path / "ran").exists()


def test_device_that_is_not_there(saved: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert refusal(saved, device="cuda").startswith("no device cuda on this machine (")
    assert refusal(saved, device="cuda").endswith("; try --device cpu")


def test_device_that_is_none() -> None:
    with pytest.raises(UserError, match=r"^no device toaster on this machine "):
        resolve_device("toaster")


def test_dtype_that_is_none(saved: Path) -> None:
    assert refusal(saved, dtype="int4").startswith("dtype int4: ")


# The hub.


def test_hub_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    message = refusal("nobody/no-such-model")
    assert time.monotonic() - start < 5
    assert message.startswith("no model nobody/no-such-model: no directory here, not in the hub's local cache, ")
    assert "hf download nobody/no-such-model --local-dir DIR" in message
    assert message.endswith("; then give --model DIR (sam train: --set model.base=DIR)")


def test_cached_hub_model_without_network(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--somebody--small"
    shutil.copytree(saved, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    base = load_base(ModelRecipe(base="somebody/small"))
    assert (base.name, base.revision) == ("somebody/small", commit)
    assert base.weights_hash == load_base(ModelRecipe(base=str(saved))).weights_hash


def test_name_that_the_hub_refuses() -> None:
    with pytest.raises(UserError, match=r"^no model -a/--b: no directory here, and the hub refuses it: "):
        find_base(ModelRecipe(base="-a/--b"))


def test_tiny_is_the_default_name() -> None:
    assert ModelRecipe().base == TINY
