"""Weights as they are published, built small: FLAN-T5 beside Vicuna, released `.pth`, fewer bits, several devices."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import InstructBlipForConditionalGeneration

from benchmarks.parity import batch_of, configuration
from samcli.data.batch import Batch
from samcli.errors import UserError
from samcli.evaluation.own_subject import OwnSubject as Subject
from samcli.model.adapter import method_record, save_adapter
from samcli.model.captioner import Captioner
from samcli.model.load import load_base, load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DecodingRecipe, EvalRecipe, ModelRecipe, SamRecipe
from samcli.recipe_method import NO_METHOD, MethodRecipe
from samcli.training.plan import plan
from samcli.training.small.base import save_base
from tests.small_models import save_small, save_t5, small_processor, small_sizes
from tests.test_load import Bomb

GOLDEN = Path(__file__).parent / "goldens" / "reference-a"
GREEDY = DecodingRecipe(beams=1, max_length=8)
PICTURES = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (30, 40), "blue")]
TRAINED = ("attn.", "llm_proj.", "Qformer.bert.encoder.one_2_muliple.", "Qformer.bert.encoder.multiple_2_one.")
FROZEN = ("visual_encoder.", "llm_model.")  # what LAVIS leaves out of its files


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of the goldens' sizes and random weights, in the hub's format."""
    directory = tmp_path_factory.mktemp("below")
    sizes = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["config"]
    torch.manual_seed(0)
    base: InstructBlipForConditionalGeneration = InstructBlipForConditionalGeneration(configuration(sizes)).eval()
    save_base(base, small_processor(small_sizes(image_size=28, patch_size=14)), directory)
    return directory


@pytest.fixture
def state() -> dict[str, Tensor]:
    return load_file(GOLDEN / "weights.safetensors")


@pytest.fixture
def case() -> dict[str, Tensor]:
    tensors = load_file(GOLDEN / "cases.safetensors")
    return {name.removeprefix("n3."): tensor for name, tensor in tensors.items() if name.startswith("n3.")}


def released(path: Path, state: dict[str, Tensor]) -> str:
    torch.save({"model": state, "epoch": 3}, path)
    return str(path)


def tokens(captioner: Captioner, batch: Batch) -> Tensor:
    with torch.no_grad():
        return captioner.model.visual_tokens(batch)


# --- released checkpoints --------------------------------------------------------------------------------------------


def test_a_whole_released_checkpoint_gives_the_recorded_tokens(
    below: Path, state: dict[str, Tensor], case: dict[str, Tensor], tmp_path: Path
) -> None:
    captioner = load_model(released(tmp_path / "sam.pth", state), completed_from=str(below), device="cpu")
    assert captioner.name == captioner.adapter == str(tmp_path / "sam.pth")
    found = tokens(captioner, batch_of(case))
    torch.testing.assert_close(found, case["visual_tokens_llm"].flatten(0, 1).view_as(found), rtol=0, atol=1e-5)


def test_the_authors_checkpoint_is_an_adapter(
    below: Path, state: dict[str, Tensor], case: dict[str, Tensor], tmp_path: Path
) -> None:
    base = released(tmp_path / "lavis.pth", {key: value for key, value in state.items() if not key.startswith(TRAINED)})
    trained = released(tmp_path / "sam.pth", {key: value for key, value in state.items() if key.startswith(TRAINED)})
    captioner = load_model(base, trained, completed_from=str(below), device="cpu")
    found = tokens(captioner, batch_of(case))
    torch.testing.assert_close(found, case["visual_tokens_llm"].flatten(0, 1).view_as(found), rtol=0, atol=1e-5)
    assert captioner.caption(PICTURES, "what is shared", GREEDY) is not None


def test_an_adapter_remembers_what_its_base_was_completed_from(
    below: Path, state: dict[str, Tensor], tmp_path: Path
) -> None:
    name = released(tmp_path / "lavis.pth", {key: value for key, value in state.items() if not key.startswith(TRAINED)})
    base = load_base(ModelRecipe(base=name, completed_from=str(below)))
    method = MethodRecipe.model_validate({"guidance": {"from_layer": 1, "to_layer": 2}})
    named = {"id": name, "revision": None, "hash": base.weights_hash, "completed_from": str(below)}
    save_adapter(
        tmp_path / "mine", SemanticAlignmentModel(base.model, method), {"base": named, **method_record(method)}
    )
    asked = EvalRecipe.model_validate({"adapter": str(tmp_path / "mine"), "model": {"device": "cpu"}})
    given = load_model(adapter=str(tmp_path / "mine"), device="cpu")
    assert Subject(asked).weights == Subject(asked, given).weights


def test_two_checkpoints_do_not_complete_each_other(state: dict[str, Tensor], tmp_path: Path) -> None:
    name = released(tmp_path / "sam.pth", state)
    recipe = SamRecipe.model_validate({"model": {"base": name, "completed_from": name}})
    for ask in (lambda: plan(recipe), lambda: load_base(recipe.model)):
        with pytest.raises(UserError, match="a released checkpoint can't complete another one"):
            ask()


def test_parts_that_a_file_lacks_altogether_are_the_bases(
    below: Path, state: dict[str, Tensor], tmp_path: Path
) -> None:
    name = released(
        tmp_path / "trimmed.pth", {key: value for key, value in state.items() if not key.startswith(FROZEN)}
    )
    made = load_base(ModelRecipe(base=name, completed_from=str(below)))
    own = load_base(ModelRecipe(base=str(below)))
    for part in ("vision_model.encoder", "language_model"):
        for key, value in own.model.get_submodule(part).state_dict().items():
            assert torch.equal(made.model.get_submodule(part).state_dict()[key], value)
    assert torch.equal(made.model.query_tokens, state["query_tokens"])
    assert torch.equal(made.model.vision_model.post_layernorm.weight, state["ln_vision.weight"])
    assert made.weights_hash != own.weights_hash
    assert set(made.files.identity()) == {"base", "released"}


def test_flan_t5s_projection_has_a_name_of_its_own(below: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    renamed = {key.replace("llm_proj", "t5_proj").replace("llm_model", "t5_model"): one for key, one in state.items()}
    made = load_base(ModelRecipe(base=released(tmp_path / "t5.pth", renamed), completed_from=str(below)))
    assert torch.equal(made.model.language_projection.weight, state["llm_proj.weight"])


def test_a_part_must_be_whole_and_known(below: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    del state["Qformer.bert.encoder.layer.3.output.dense.bias"], state["llm_proj.bias"]
    state |= {"Qformer.cls.bias": torch.zeros(1), "query_tokens": torch.zeros(1, 9, 24)}
    with pytest.raises(UserError) as raised:
        load_model(released(tmp_path / "sam.pth", state), "none", completed_from=str(below), device="cpu")
    for fault in (
        "unknown (1): Qformer.cls.bias",
        "missing (2): base.language_projection.bias, base.qformer.encoder.layer.3.output.dense.bias",
        "of another shape (1): query_tokens (1, 9, 24) instead of (1, 8, 24)",
    ):
        assert fault in str(raised.value)


def test_an_adapter_that_lacks_a_tensor_is_refused(below: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    trained = {key: value for key, value in state.items() if key.startswith(TRAINED)}
    del trained["attn.bias"]
    trained["attn.gain"] = torch.ones(1)
    with pytest.raises(UserError, match=r"adjustment.score.bias is missing; adjustment.score.gain is unknown"):
        load_model(str(below), released(tmp_path / "sam.pth", trained), device="cpu")


def test_an_adapter_that_holds_more_is_refused(below: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds more than guidance and projection: unknown \(\d+\): Qformer"):
        load_model(str(below), released(tmp_path / "whole.pth", state), device="cpu")


def test_nothing_in_a_checkpoint_is_executed(below: Path, tmp_path: Path) -> None:
    torch.save({"model": Bomb(tmp_path / "ran")}, tmp_path / "bomb.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    for name in ("bomb.pth", "old.pth"):
        path = str(tmp_path / name)
        for model, adapter in ((path, None), (str(below), path)):
            with pytest.raises(UserError, match=r"pth: (not read|can't be read)"):
                load_model(model, adapter, completed_from=str(below), device="cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"model": {"x": 3}}, "expected named tensors"),
        ([torch.zeros(1)], "expected named tensors"),
        ({"model": {}}, "missing"),
    ],
)
def test_other_files_are_refused(held: Any, said: str, below: Path, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "other.pth")
    with pytest.raises(UserError, match=said):
        load_model(str(below), str(tmp_path / "other.pth"), device="cpu")


def test_files_that_are_not_there_are_named(below: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model .*none\.pth: there is no such file"):
        load_model(str(tmp_path / "none.pth"), completed_from=str(below))
    with pytest.raises(UserError, match=r"no adapter .*none\.pth: there is no such file"):
        load_model(str(below), str(tmp_path / "none.pth"))
    (tmp_path / "a.pth").touch()
    with pytest.raises(UserError, match="can't complete another one"):
        load_base(ModelRecipe(base=str(tmp_path / "a.pth"), completed_from=str(tmp_path / "a.pth")))


@pytest.mark.skipif("SAM_RELEASED" not in os.environ, reason="needs the authors' checkpoint, see the docstring")
def test_the_authors_checkpoint_answers_their_examples() -> None:
    """`SAM_RELEASED`: a directory with their `sam.pth` and `requests.jsonl`, the two calls of their inference script.

    Each line is {"images": [...], "prompt": "..."} as in the script, in its order; `SAM_RELEASED_BASE` names the base.
    """
    home = Path(os.environ["SAM_RELEASED"])
    base = os.environ.get("SAM_RELEASED_BASE", "Salesforce/instructblip-vicuna-7b")
    captioner = load_model(base, str(home / "sam.pth"), dtype="float16" if torch.cuda.is_available() else "float32")
    requests = [json.loads(line) for line in (home / "requests.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [captioner.caption([home / name for name in one["images"]], one["prompt"]) for one in requests]
    assert answers == [
        "The vector illustration depicts a colorful and vibrant background with stars and stripes, creating a festive "
        "atmosphere for Happy Republic Day.",
        "Bobby helped Lizzy get back on her bike and they continued their ride.",
    ]


# --- FLAN-T5 ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_t5(tmp_path_factory.mktemp("t5"), small_sizes(patch_size=8))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_t5_answers_and_streams(t5: Path, beams: int) -> None:
    captioner = load_model(str(t5), "none", device="cpu")
    decoding = DecodingRecipe(beams=beams, max_length=8)
    alone = [captioner.caption(PICTURES[:count], "what is shared", decoding) for count in (1, 2)]
    together = captioner.answer([PICTURES[:1], PICTURES], ["what is shared"] * 2, decoding)
    assert together == alone
    assert all(alone)


def test_a_t5_in_half_precision_is_the_same_but_for_rounding(t5: Path) -> None:
    single, half = (load_model(str(t5), "none", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    batch = single.processor.batch([PICTURES], ["what is shared"])
    torch.testing.assert_close(tokens(half, batch).float(), tokens(single, batch), rtol=0, atol=0.05)


# --- fewer bits, several devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
def test_the_language_model_alone_is_held_in_fewer_bits(bits: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    sizes = small_sizes(patch_size=8, llm_width=64, llm_mlp=128)
    directory = save_small(tmp_path / "model", sizes)
    captioner = load_model(str(directory), "none", device="cpu", llm_bits=bits)
    base = captioner.model.base
    kinds = {type(part).__name__ for part in base.language_model.get_decoder().modules() if "Linear" in str(type(part))}
    assert kinds == {f"Linear{bits}bit" + ("Lt" if bits == 8 else "")}
    whole = load_model(str(directory), "none", device="cpu")
    batch = whole.processor.batch([PICTURES], ["what is shared"], ["a cat"])
    assert torch.equal(tokens(captioner, batch), tokens(whole, batch))
    assert captioner.caption(PICTURES, "what is shared", GREEDY)
    losses = [SemanticAlignmentModel(model, NO_METHOD)(batch) for model in (base, whole.model.base)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=0.05)
    rounded, exact = (model.language_projection.weight.grad for model in (base, whole.model.base))
    assert rounded is not None
    assert exact is not None
    assert torch.cosine_similarity(rounded.flatten(), exact.flatten(), dim=0) > 0.9  # also after it has answered
    with pytest.raises(ValueError, match="weights can't train themselves; use low-rank"):
        SemanticAlignmentModel(
            base, MethodRecipe.model_validate({"guidance": {"enabled": False}, "mmicl": {"enabled": True, "layers": 1}})
        )


def test_fewer_bits_without_their_package(t5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"model.llm_bits needs bitsandbytes: pip install 'samcli\[bits\]'"):
        load_model(str(t5), "none", device="cpu", llm_bits=4)
