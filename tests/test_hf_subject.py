"""Other people's models: small ones of the real classes, saved to disk, loaded and asked through the real path."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Idefics2Config,
    Idefics2ForConditionalGeneration,
    Idefics2Processor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.hf_subject import HfAnswers, HfSubject, load_hf
from samcli.evaluation.marked import pieces_of
from samcli.evaluation.predict import in_order
from samcli.evaluation.subject import subject_of
from samcli.model.tokenizers import build_llm_tokenizer, build_qformer_tokenizer
from samcli.recipe import DecodingRecipe, EvalRecipe, ModelRecipe
from tests.small_models import WORDS

TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %} {% endfor %}{% endfor %}"
)
SHORT = DecodingRecipe(beams=1, max_length=7, min_length=7, repetition_penalty=1.0)
LLAMA = {
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}


def tokenizer(*more: str) -> PreTrainedTokenizerFast:
    made = build_llm_tokenizer(WORDS)
    made.add_tokens(list(more), special_tokens=True)
    return made


def llava(directory: Path) -> None:
    words = tokenizer("<image>")
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        words,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
        num_additional_image_tokens=1,
    )
    token = int(words.vocab["<image>"])
    text = LLAMA | {"vocab_size": len(words)}
    config = LlavaConfig(vision_config=CLIP, text_config=text, image_token_index=token, vision_feature_layer=-1)
    LlavaForConditionalGeneration(config).save_pretrained(directory)
    processor.save_pretrained(directory)


def idefics2(directory: Path) -> None:
    """A chat model made for several pictures of any shape."""
    words = tokenizer()
    size = {"shortest_edge": 28, "longest_edge": 56}
    template = TEMPLATE.replace("IMAGE", "<image>")
    processor = Idefics2Processor(
        Idefics2ImageProcessorPil(size=size, do_image_splitting=False), words, image_seq_len=4, chat_template=template
    )
    text = LLAMA | {"model_type": "mistral", "vocab_size": len(words)}
    vision = {key: value for key, value in CLIP.items() if key != "model_type"} | {"image_size": 56, "patch_size": 14}
    perceiver = {
        "resampler_n_latents": 4,
        "resampler_depth": 1,
        "resampler_n_heads": 2,
        "resampler_head_dim": 8,
        "num_key_value_heads": 2,
    }
    config = Idefics2Config(
        vision_config=vision, perceiver_config=perceiver, text_config=text, image_token_id=processor.image_token_id
    )
    Idefics2ForConditionalGeneration(config).save_pretrained(directory)
    processor.save_pretrained(directory)


BLIP_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
QFORMER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "encoder_hidden_size": 16,
    "vocab_size": 60,
}


def blip_family(directory: Path, config: Any, model: Any, processor: Any, *more: Any) -> None:
    words = tokenizer("<image>")
    token = int(words.vocab["<image>"])
    text = LLAMA | {"vocab_size": len(words)}
    settings = config(
        vision_config=BLIP_VISION,
        qformer_config=QFORMER,
        text_config=text,
        num_query_tokens=4,
        image_token_index=token,
    )
    model(settings).save_pretrained(directory)
    processor(
        BlipImageProcessorPil(size={"height": 32, "width": 32}), words, *more, num_query_tokens=4
    ).save_pretrained(directory)


def blip2(directory: Path) -> None:
    blip_family(directory, Blip2Config, Blip2ForConditionalGeneration, Blip2Processor)


def instructblip(directory: Path) -> None:
    words = build_qformer_tokenizer(WORDS)
    blip_family(directory, InstructBlipConfig, InstructBlipForConditionalGeneration, InstructBlipProcessor, words)


def blip2_with_t5(directory: Path) -> None:
    """A language model that has an encoder gives its answer alone, without the prompt before it."""
    words = tokenizer("<image>")
    text = {"model_type": "t5", "vocab_size": len(words), "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1}
    text |= {
        "num_heads": 2,
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 2,
    }
    settings = Blip2Config(
        vision_config=BLIP_VISION,
        qformer_config=QFORMER,
        text_config=text,
        num_query_tokens=4,
        image_token_index=int(words.vocab["<image>"]),
    )
    model = Blip2ForConditionalGeneration(settings)
    head = model.language_model.lm_head.weight
    with torch.no_grad():  # one of two words is always likelier than all others
        direction = torch.randn(16)
        head.zero_()
        head[int(words.vocab["cat"] if "cat" in words.vocab else words.vocab["\u2581cat"])] = direction
        head[int(words.vocab["dog"] if "dog" in words.vocab else words.vocab["\u2581dog"])] = -direction
    model.save_pretrained(directory)
    processor = Blip2Processor(BlipImageProcessorPil(size={"height": 32, "width": 32}), words, num_query_tokens=4)
    processor.save_pretrained(directory)


MODELS: list[Callable[[Path], None]] = [llava, idefics2, blip2, instructblip, blip2_with_t5]


@pytest.fixture(scope="module", params=MODELS, ids=lambda make: make.__name__)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp(request.param.__name__)
    request.param(directory)
    return directory


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    made = []
    for number, count in enumerate((2, 1, 3)):
        paths = [tmp_path / f"{number}-{place}.png" for place in range(count)]
        for place, path in enumerate(paths):
            Image.new("RGB", (60, 40), (number * 90, place * 100, 30)).save(path)
        made.append(Sample(number, tuple(paths), "what do the pictures show", ("x",)))
    return made


def test_several_pictures_are_asked_about_together_and_each_counts(directory: Path, samples: list[Sample]) -> None:
    answers = HfAnswers(load_hf(directory, ModelRecipe(device="cpu")), SHORT)
    together = in_order(answers.to(samples))
    assert [error for _, error in together] == [None] * 3
    alone = [in_order(answers.to([sample]))[0] for sample in samples]
    assert alone == together
    assert any(text for text, _ in together)


def test_what_cannot_be_read_spoils_no_other_answer(directory: Path, samples: list[Sample], tmp_path: Path) -> None:
    answers = HfAnswers(load_hf(directory, ModelRecipe(device="cpu")), SHORT)
    gone = Sample(7, (tmp_path / "gone.png",), "what", ("x",))
    silent = Sample(8, samples[0].images, " ", ("x",))
    found = in_order(answers.to([gone, samples[0], silent]))
    assert "gone.png" in str(found[0][1])
    assert found[1] == in_order(answers.to([samples[0]]))[0]
    assert found[2] == (None, "the instruction is empty")


def test_a_model_is_named_by_hf_and_told_apart_by_its_weights(directory: Path) -> None:
    recipe = EvalRecipe(model=ModelRecipe(base=f"hf:{directory}", device="cpu"))
    subject = subject_of(recipe)
    assert isinstance(subject, HfSubject)
    assert subject.name == f"hf:{directory}"
    assert len(subject.weights["base"]) == 64
    assert subject.decoding.beams == 1
    with pytest.raises(UserError, match=r"takes no adapter: leave out --adapter mine"):
        subject_of(recipe.model_copy(update={"adapter": "mine"}))


def test_no_code_of_a_directory_is_run_and_no_pickle_read(directory: Path, tmp_path: Path) -> None:
    model = ModelRecipe(device="cpu")
    evil = tmp_path / "evil"
    shutil.copytree(directory, evil)
    config = json.loads((evil / "config.json").read_text())
    config |= {
        "model_type": "unheard-of",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForImageTextToText": "evil.M"},
    }
    (evil / "config.json").write_text(json.dumps(config))
    (evil / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="transformers has no image-text-to-text model of it"):
        load_hf(evil, model)
    assert not (tmp_path / "ran").exists()
    pickled = tmp_path / "pickled"
    shutil.copytree(directory, pickled)
    for path in pickled.glob("*.safetensors"):
        torch.save(load_file(path), pickled / "pytorch_model.bin")
        path.unlink()
    with pytest.raises(UserError, match="transformers has no image-text-to-text model of it"):
        load_hf(pickled, model)
    with pytest.raises(UserError, match="has no weights as safetensors"):
        _ = HfSubject(EvalRecipe(model=ModelRecipe(base=f"hf:{pickled}"))).weights


def test_what_transformers_does_not_know_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="transformers has no image-text-to-text model of it"):
        load_hf(tmp_path, ModelRecipe(device="cpu"))
    with pytest.raises(UserError, match="no such directory, and no hub id"):
        _ = HfSubject(EvalRecipe(model=ModelRecipe(base="hf:nothing"))).weights


@pytest.mark.parametrize(
    ("instruction", "images", "pieces"),
    [
        ("What?", 2, [0, 1, "What?"]),
        ("{image#1}Caption#1:a{image#2}Caption#2:", 2, [0, "Caption#1:a", 1, "Caption#2:"]),
        ("Source:{image#2} Target:{image#1}", 2, ["Source:", 1, "Target:", 0]),
        ("{image#1} of {image#1}", 2, [0, 1, "{image#1} of {image#1}"]),
        ("{image#3}", 2, [0, 1, "{image#3}"]),
    ],
)
def test_pictures_stand_where_they_are_marked(instruction: str, images: int, pieces: list[int | str]) -> None:
    assert pieces_of(instruction, images) == pieces
