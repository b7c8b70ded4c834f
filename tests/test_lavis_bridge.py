"""The bridge to LAVIS with a stand-in behind it; `tests/lavis` asks the real one."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.errors import UserError
from samcli.evaluation.run import evaluate
from samcli.lavis.client import LavisWorker, parts_of
from samcli.model.load import load_model
from samcli.recipe import EvalRecipe

STAND_IN = """
import types
import torch

print("LAVIS likes to talk")  # must not come between the replies


class Text(dict):
    __getattr__ = dict.__getitem__

    def to(self, device):
        return self


class Tokenizer:
    def __call__(self, text, return_tensors):
        ids = torch.ones(1, len(text.split()), dtype=torch.long)
        return Text(input_ids=ids, attention_mask=torch.ones_like(ids))

    def decode(self, ids, skip_special_tokens):
        return f" visual {int(ids[0])} words {int(ids[1])} beams {int(ids[2])} tokens {int(ids[3])}"


class Language:
    def generate(self, input_ids, query_embeds, attention_mask, eos_token_id, num_beams, max_new_tokens, **_):
        assert attention_mask.shape[1] == query_embeds.shape[1] + input_ids.shape[1]
        said = torch.tensor([[query_embeds.shape[1], input_ids.shape[1], len(query_embeds), max_new_tokens]])
        return torch.cat([input_ids, said], dim=1)


class Model:
    query_tokens = torch.zeros(1, 4, 6)
    ln_vision = staticmethod(lambda features: features)
    visual_encoder = staticmethod(lambda pixels: pixels.flatten(2).transpose(1, 2))
    opt_proj = torch.nn.Linear(6, 5)
    opt_tokenizer, opt_model, eos_token_id = Tokenizer(), Language(), 2

    def __init__(self):
        read = lambda query_embeds, **_: types.SimpleNamespace(last_hidden_state=query_embeds)
        self.Qformer = types.SimpleNamespace(bert=read)

    def float(self):
        return self


def load_model_and_preprocess(name, kind, is_eval, device):
    if kind != "pretrain_opt2.7b":
        raise KeyError(kind)
    return Model(), {"eval": lambda picture: torch.zeros(3, *picture.size)}, None


model_zoo = types.SimpleNamespace(model_zoo={"blip2_opt": ["pretrain_opt2.7b"], "albef": ["base"]})
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "lavis").mkdir(parents=True)
    (tmp_path / "site" / "lavis" / "__init__.py").touch()
    (tmp_path / "site" / "lavis" / "models.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("SAM_LAVIS_PYTHON", sys.executable)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvalRecipe:
    home = tmp_path / "data" / "AESOP"
    home.mkdir(parents=True)
    records = []
    for index, images in enumerate((1, 3, 2)):
        names = [f"{index}-{side}.png" for side in range(images)]
        for name in names:
            Image.new("RGB", (8, 8)).save(home / name)
        records.append({"id": index, "img_list": names, "instruction": "finish the story", "output": "the end"})
    (home / "annotations.json").write_text(json.dumps(records))
    fields: dict[str, Any] = {"task": "storytelling", "datasets": ["aesop"], "data_root": str(tmp_path / "data")}
    return EvalRecipe.model_validate(fields | {"model": {"base": "lavis:blip2_opt/pretrain_opt2.7b", "device": "cpu"}})


def test_a_blip2_answers_as_a_baseline(recipe: EvalRecipe, tmp_path: Path) -> None:
    results = evaluate(recipe, tmp_path / "run")
    lines = (tmp_path / "run" / "predictions" / "AESOP.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line)["prediction"] for line in lines]
    assert answers == [f"visual {4 * images} words 3 beams 5 tokens 255" for images in (1, 3, 2)]
    (found,) = results["models"].values()
    assert list(results["models"]) == ["lavis:blip2_opt/pretrain_opt2.7b"]
    assert found["weights"] == {"lavis": "blip2_opt/pretrain_opt2.7b"}
    assert evaluate(recipe, tmp_path / "run") == results


def test_a_picture_that_breaks_costs_one_answer(recipe: EvalRecipe, tmp_path: Path) -> None:
    (tmp_path / "data" / "AESOP" / "1-2.png").write_bytes(b"no picture")
    results = evaluate(recipe, tmp_path / "run")
    assert results["datasets"]["AESOP"]["failed_ids"] == ["1"]


def test_the_worker_lists_what_it_has() -> None:
    with LavisWorker() as worker:
        assert worker.ask("hello")["models"] == ["blip2_opt/pretrain_opt2.7b"]


def test_what_goes_wrong_is_told(recipe: EvalRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"base": "lavis:blip2_opt/none", "device": "cpu"}
    with pytest.raises(UserError, match="LAVIS: KeyError: 'none'"):
        evaluate(EvalRecipe.model_validate(recipe.model_dump() | {"model": other}), tmp_path / "other")
    with LavisWorker() as worker:
        worker._process.kill()
        with pytest.raises(UserError, match=r"the LAVIS worker ended \(exit code -9\)"):
            worker.ask("hello")
    monkeypatch.setenv("SAM_LAVIS_PYTHON", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"none can't be started: No such file"):
        LavisWorker()
    monkeypatch.delenv("SAM_LAVIS_PYTHON")
    with pytest.raises(UserError, match=r"set SAM_LAVIS_PYTHON to its Python; docs/lavis.md"):
        LavisWorker()


def test_an_adapter_does_not_go_with_it(recipe: EvalRecipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes no adapter: leave out --adapter tiny"):
        evaluate(recipe.model_copy(update={"adapter": "tiny"}), tmp_path / "run")


@pytest.mark.parametrize("name", ["lavis:", "lavis:blip2_opt", "lavis:/x"])
def test_a_model_needs_name_and_type(name: str) -> None:
    with pytest.raises(UserError, match="expected lavis:MODEL/TYPE"):
        parts_of(name)


def test_it_is_for_evaluation_alone() -> None:
    with pytest.raises(UserError, match="there for sam eval alone"):
        load_model("lavis:blip2_opt/pretrain_opt2.7b", "none")
