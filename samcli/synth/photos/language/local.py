"""Replies from a causal language model of transformers, a hub id or a directory, decoded greedily."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from samcli.console import say
from samcli.errors import UserError
from samcli.frozen.loading import directory_of, model_from, processor_from
from samcli.memory import enough_memory
from samcli.model.weights import asked_identity
from samcli.synth.photos.language.model import Reply
from samcli.synth.photos.language.question import Question

_WHAT = "a language model"
_TOGETHER = 16  # on an accelerator


class LocalBackend:
    """A model with a chat template; no code from its directory is run.

    On the CPU each question is asked alone, so that replies don't depend on what else is asked. For many samples, a
    server of the same model, asked as `api:MODEL`, is faster.

    Raises UserError for what isn't there, is no causal language model, or has no chat template.
    """

    def __init__(self, name: str, revision: str | None, device: str, dtype: str) -> None:
        directory = directory_of(name, _WHAT, revision)
        say(f"loading {name}")
        self._tokenizer = processor_from(AutoTokenizer, directory, _WHAT)
        if not self._tokenizer.chat_template:
            raise UserError(f"{name}: its tokenizer has no chat template, so nothing says how it is asked")
        self._tokenizer.padding_side = "left"
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model = model_from(AutoModelForCausalLM, directory, _WHAT, device, dtype)
        place = self._model.device.type
        self._together = 1 if place == "cpu" else _TOGETHER
        self.identity = asked_identity(directory) | {"dtype": dtype, "device": place}

    def replies(self, questions: Sequence[Question[Any]]) -> Iterator[tuple[int, Reply]]:
        """The place of each question and its reply."""
        for start in range(0, len(questions), self._together):
            piece = questions[start : start + self._together]
            with enough_memory("writing", "use bfloat16 (dtype) or another device; all replies so far are kept"):
                texts = self._generate(piece)
            yield from enumerate(texts, start)

    def _generate(self, questions: Sequence[Question[Any]]) -> list[str]:
        inputs: Any = self._tokenizer.apply_chat_template(
            [_with_schema(question) for question in questions],
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        )
        inputs = inputs.to(self._model.device)
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs,
                do_sample=False,
                num_beams=1,
                max_new_tokens=max(question.tokens for question in questions),
                pad_token_id=self._tokenizer.pad_token_id,
            )
        new = ids[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self._tokenizer.batch_decode(new, skip_special_tokens=True)]


def _with_schema(question: Question[Any]) -> list[dict[str, str]]:
    """The conversation, its first text followed by the keys of the reply: here nothing else enforces them."""
    first, *others = question.messages
    keys = ", ".join(f'"{key}"' for key in question.form.model_fields)
    told = f"{first['content']}\n\nReply with one JSON object and nothing else; its keys are {keys}."
    return [first | {"content": told}, *others]
