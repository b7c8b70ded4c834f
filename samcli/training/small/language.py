"""Stage 0, second step: the small LLM learns the world's language, from words alone."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from samcli.data.batch import pad_right
from samcli.model.tokenizers import BLANK
from samcli.synth.world.lessons import Lesson, draw_lesson
from samcli.synth.world.splits import belongs_to, rng_for
from samcli.training.loop import Job

EPOCH = 100_000  # lessons; the language has no end, so an epoch is a convention
BLUR = 0.35  # the largest share of another word that is mixed into a list's word
BLURRED = 0.15  # of a list's words

EncodedLesson = tuple[list[int], list[int], list[int]]
LessonBatch = tuple[Tensor, Tensor, Tensor]


def encode_lists(tokenizer: Any, lists: Sequence[Sequence[str | None]]) -> list[int]:
    """The words of the lists as ids, one for each place."""
    blank = tokenizer.convert_tokens_to_ids(BLANK)
    ids: list[int] = []
    for words in lists:
        ids += [blank if word is None else tokenizer.convert_tokens_to_ids(f"\u2581{word}") for word in words]
    return ids


def encode_lesson(tokenizer: Any, lesson: Lesson) -> EncodedLesson:
    """Ids of lists, BOS, question, answer, EOS; as many targets (the answer only, else -100); and which are lists."""
    lists = encode_lists(tokenizer, lesson.lists)
    question = tokenizer(lesson.question)["input_ids"]
    answer = [*tokenizer(lesson.answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return lists + question + answer, [-100] * (len(lists) + len(question)) + answer, [1] * len(lists)


def pad_lessons(lessons: Sequence[EncodedLesson]) -> LessonBatch:
    """Lessons as one batch, each part (N, longest)."""
    rows, targets, listed = (list(part) for part in zip(*lessons, strict=True))
    ids, _ = pad_right(rows)
    wanted, _ = pad_right(targets, fill=-100)
    lists_mask, _ = pad_right(listed)
    shape = (0, ids.shape[1] - lists_mask.shape[1])
    return ids, wanted, nn.functional.pad(lists_mask, shape).bool()


def cheapest_cuts(lengths: Sequence[int], parts: int) -> list[int]:
    """Bounds, `parts` + 1 of them, that cut rows in rising order of length so that the least padding is added.

    A part costs its rows times its longest one; raises ValueError when there are fewer rows than parts.
    """
    if len(lengths) < parts:
        raise ValueError(f"{len(lengths)} rows can't be cut into {parts} parts")
    ways: list[tuple[int, list[int]]] = [(0, [0])]  # the least cost of the rows before each bound, and its cuts
    for taken in range(1, parts + 1):
        starts = range(taken - 1, taken - 1 + len(ways))
        ways = [
            min(
                (cost + (end - start) * lengths[end - 1], [*cuts, end])
                for start, (cost, cuts) in zip(starts, ways, strict=True)
                if start < end
            )
            for end in range(taken, len(lengths) - parts + taken + 1)
        ]
    return ways[-1][1]


class LessonReading(nn.Module):
    """The LLM answering lessons; the words of the lists are a little blurred, as what one sees always is."""

    def __init__(self, llm: LlamaForCausalLM) -> None:
        super().__init__()
        self.llm = llm

    def forward(self, batch: LessonBatch) -> Tensor:
        """Mean cross-entropy of the answers' tokens."""
        ids, targets, listed = batch
        embeds = self.llm.get_input_embeddings()(ids)
        if self.training:
            embeds = self._blur(embeds, listed)
        hidden = self.llm.get_decoder()(inputs_embeds=embeds, attention_mask=(ids != 0).long()).last_hidden_state
        wanted = targets[:, 1:] != -100
        logits = self.llm.get_output_embeddings()(hidden[:, :-1][wanted])
        return nn.functional.cross_entropy(logits.float(), targets[:, 1:][wanted])

    def _blur(self, embeds: Tensor, listed: Tensor) -> Tensor:
        """Mix other words into some of the lists' words, so that doubtful visual tokens will be read kindly."""
        shares = torch.rand(embeds.shape[:2]) * BLUR * (torch.rand(embeds.shape[:2]) < BLURRED) * listed
        words = self.llm.get_input_embeddings().get_parameter("weight")
        others = words[torch.randint(len(words), embeds.shape[:2])].detach()
        return torch.lerp(embeds, others, shares[..., None].to(embeds.dtype))


def language_job(llm: LlamaForCausalLM, tokenizer: Any, batch_size: int, seed: int) -> Job[LessonBatch, LessonReading]:
    """What `fit` needs to train the LLM; lessons of a step are drawn anew and cut into parts where it pads least."""
    llm.requires_grad_(True).train()
    accept = belongs_to("train")

    @lru_cache(maxsize=1)
    def shares(step: int, parts: int) -> list[list[EncodedLesson]]:
        numbers = range(step * batch_size, (step + 1) * batch_size)
        drawn = [draw_lesson(rng_for("train", "lesson", seed, number), accept) for number in numbers]
        encoded = sorted((encode_lesson(tokenizer, lesson) for lesson in drawn), key=lambda lesson: len(lesson[0]))
        cuts = cheapest_cuts([len(ids) for ids, _, _ in encoded], parts)
        return [encoded[start:end] for start, end in pairwise(cuts)]

    def batch(step: int, part: int, parts: int) -> LessonBatch:
        return pad_lessons(shares(step, parts)[part])

    return Job(
        "language",
        LessonReading(llm),
        batch,
        weight=lambda share: float((share[1] != -100).sum()),
        describe=lambda step: f"lessons of step {step}, seed {seed}",
        samples=EPOCH,
        step_samples=batch_size,
    )


@torch.no_grad()
def lesson_accuracy(reading: LessonReading, tokenizer: Any, count: int, seed: int = 0) -> dict[str, float]:
    """The share of validation lessons whose every answer token is predicted, by task."""
    accept = belongs_to("val")
    lessons = [draw_lesson(rng_for("val", "lesson", seed, index), accept) for index in range(count)]
    right: dict[str, list[bool]] = {}
    for lesson in lessons:
        ids, targets, _ = pad_lessons([encode_lesson(tokenizer, lesson)])
        guesses = reading.llm(input_ids=ids).logits.argmax(-1)[:, :-1]
        hit = bool(((guesses == targets[:, 1:]) | (targets[:, 1:] == -100)).all())
        right.setdefault(lesson.task, []).append(hit)
    return {task: sum(hits) / len(hits) for task, hits in sorted(right.items())}
