"""Any image-text-to-text model of transformers under evaluation, with its own processor and chat template."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from samcli.console import say
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.answer_file import Answer
from samcli.evaluation.marked import pieces_of
from samcli.evaluation.other_subject import GREEDY, OtherSubject
from samcli.memory import enough_memory
from samcli.model.decoding.by_transformers import chance_settings, own_chance
from samcli.model.hub import FILES, fetch, is_hub_id
from samcli.model.load import resolve_device
from samcli.model.weights import asked_identity
from samcli.recipe import DecodingRecipe, ModelRecipe

PREFIX = "hf:"
_QUERY_FAMILY = ("blip-2", "instructblip")  # they have no chat template: visual tokens stand before the text


@dataclass(frozen=True)
class HfSubject(OtherSubject):
    """A model named `hf:ID`, a hub id or a directory; it decodes greedily unless the recipe says otherwise."""

    @property
    def decoding(self) -> DecodingRecipe:
        """How it generates by itself: greedily, 256 new tokens at most."""
        return GREEDY

    @cached_property
    def weights(self) -> dict[str, str]:
        """The commit of one from the hub, else a hash of its weights; raises UserError where it isn't there."""
        if not any(self._directory.glob("*.safetensors")):
            raise UserError(f"{self._directory} has no weights as safetensors; other files of weights are never read")
        return asked_identity(self._directory)

    @property
    def numbers(self) -> dict[str, Any]:
        """What its answers depend on beside its weights."""
        model = self.recipe.model
        device = resolve_device(model.device).type if model.device != "spread" else model.device
        return {"dtype": model.dtype, "device": device}

    def answers(self, dataset: str, decoding: DecodingRecipe) -> "HfAnswers":
        """What answers a dataset's samples."""
        return HfAnswers(self._loaded, decoding)

    @cached_property
    def _directory(self) -> Path:
        place = self.name.removeprefix(PREFIX)
        if Path(place).is_dir():
            return Path(place)
        if not is_hub_id(place):
            raise UserError(f"{self.name}: no such directory, and no hub id (OWNER/NAME)")
        return fetch(place, "model", FILES, self.recipe.model.revision)

    @cached_property
    def _loaded(self) -> "HfModel":
        """One for all datasets: it is loaded once."""
        say(f"loading {self.name}")
        return load_hf(self._directory, self.recipe.model)


@dataclass(frozen=True)
class HfModel:
    """A model of transformers and its processor."""

    model: Any
    processor: Any

    @property
    def kind(self) -> str:
        """Which architecture it is, as transformers names it."""
        return str(self.model.config.model_type)


def load_hf(directory: Path, settings: ModelRecipe) -> HfModel:
    """Load a model straight into its numbers and onto its device; no code from its directory is run.

    Raises UserError for what transformers doesn't know as an image-text-to-text model, and for one that takes several
    images in no way that is known.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    device: Any = "auto" if settings.device == "spread" else {"": resolve_device(settings.device)}
    try:
        processor = AutoProcessor.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        with enough_memory(
            f"while {directory} was loaded", "use --dtype bfloat16, or --device spread over several GPUs"
        ):
            model = AutoModelForImageTextToText.from_pretrained(
                directory,
                dtype=getattr(torch, settings.dtype),
                device_map=device,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{directory}: transformers has no image-text-to-text model of it: {reason}") from error
    loaded = HfModel(model.eval(), processor)
    has_template = bool(
        getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    )
    if loaded.kind not in _QUERY_FAMILY and not has_template:
        raise UserError(f"{directory}: its processor has no chat template, so nothing says how it is asked")
    processor.tokenizer.padding_side = "left"
    with suppress(AttributeError):
        processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    return loaded


@dataclass(frozen=True)
class HfAnswers:
    """What such a model answers; pictures stand where the instruction marks them, else before it."""

    loaded: HfModel
    decoding: DecodingRecipe

    def to(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Answer]]:
        """Text or error for each sample; one that can't be read doesn't spoil the others."""
        groups: list[list[Image.Image] | str] = [_readable(sample) for sample in samples]
        asked = [(s.instruction, g) for s, g in zip(samples, groups, strict=True) if not isinstance(g, str)]
        remedy = "lower --batch-size, use --dtype bfloat16 or another device; the answers so far are kept"
        with enough_memory(f"with samples answered at once: {len(asked)}", remedy):
            texts = iter(self._generate(asked) if asked else [])
        answers = [(None, group) if isinstance(group, str) else (next(texts), None) for group in groups]
        yield from enumerate(answers)

    def _generate(self, asked: list[tuple[str, list[Image.Image]]]) -> list[str]:
        query_family = self.loaded.kind in _QUERY_FAMILY
        inputs = (self._before_the_text if query_family else self._by_template)(asked)
        inputs = inputs.to(self.loaded.model.device)
        for key, value in inputs.items():
            if torch.is_floating_point(value):
                inputs[key] = value.to(self.loaded.model.dtype)
        penalties = {"length_penalty": self.decoding.length_penalty} if self.decoding.beams > 1 else {}
        with torch.inference_mode(), own_chance(self.decoding, self.decoding.seed, self.loaded.model.device):
            ids = self.loaded.model.generate(
                **inputs,
                num_beams=self.decoding.beams,
                **chance_settings(self.decoding),
                no_repeat_ngram_size=self.decoding.no_repeat_ngram,
                max_new_tokens=self.decoding.max_length - 1,
                min_new_tokens=self.decoding.min_length - 1,
                repetition_penalty=self.decoding.repetition_penalty,
                **penalties,
            )
        decoder_alone = not self.loaded.model.config.is_encoder_decoder
        new = ids[:, inputs["input_ids"].shape[1] :] if decoder_alone else ids
        return [text.strip() for text in self.loaded.processor.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _by_template(self, asked: list[tuple[str, list[Image.Image]]]) -> Any:
        """The inputs that the model's own chat template makes."""
        turns = []
        for instruction, pictures in asked:
            content = [
                {"type": "text", "text": piece}
                if isinstance(piece, str)
                else {"type": "image", "image": pictures[piece]}
                for piece in pieces_of(instruction, len(pictures))
            ]
            turns.append([{"role": "user", "content": content}])
        return self.loaded.processor.apply_chat_template(
            turns,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def _before_the_text(self, asked: list[tuple[str, list[Image.Image]]]) -> Any:
        """Inputs of BLIP-2 and InstructBLIP: the visual tokens of all pictures, one behind the other, then the text."""
        processor = self.loaded.processor
        mark = processor.image_token.content * processor.num_query_tokens
        texts = [mark * len(pictures) + instruction for instruction, pictures in asked]
        inputs = processor.tokenizer(texts, return_tensors="pt", padding=True)
        every = [picture for _, pictures in asked for picture in pictures]
        inputs["pixel_values"] = processor.image_processor(every, return_tensors="pt")["pixel_values"]
        if self.loaded.kind == "instructblip":
            again = [instruction for instruction, pictures in asked for _ in pictures]
            words = processor.qformer_tokenizer(again, return_tensors="pt", padding=True, truncation=True)
            inputs["qformer_input_ids"] = words["input_ids"]
            inputs["qformer_attention_mask"] = words["attention_mask"]
        return inputs


def _readable(sample: Sample) -> list[Image.Image] | str:
    """The sample's pictures, or why it can't be answered."""
    if not sample.instruction.strip():
        return "the instruction is empty"
    try:
        return [open_image(path) for path in sample.images]
    except UserError as error:
        return str(error)
