"""Stage 0 from end to end: a small InstructBLIP that sees the world and speaks its language, but links no pictures."""

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration
from transformers.utils import logging as transformers_logging

from samcli.console import say
from samcli.errors import UserError
from samcli.files import atomic_directory, write_json
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.small import build_small
from samcli.model.tokenizers import build_llm_tokenizer, build_qformer_tokenizer
from samcli.model.traits import WORLD, write_traits
from samcli.recipe import BaseRecipe, OptimRecipe
from samcli.recipe_method import NO_METHOD
from samcli.run_directory import RESULTS
from samcli.synth.world.corpus import Corpus, make_corpus
from samcli.synth.world.lessons import SLOTS
from samcli.synth.world.words import world_words
from samcli.training.loop import Plan, fit
from samcli.training.small.alignment import Lessons, alignment_job, tower_features, word_accuracy
from samcli.training.small.language import language_job, lesson_accuracy
from samcli.training.small.vision import patch_accuracy, vision_job

SAVED_AS = torch.float16  # halves the file; the model is held in float32 again when it is loaded


def train_base(recipe: BaseRecipe, out: Path, accelerator: Accelerator) -> dict[str, Any]:
    """Do the three steps, or go on with them, and write the model to `out/model`; return its figures.

    A finished step is a finished run in its own folder: going on loads its last checkpoint and passes on.
    """
    if accelerator.num_processes > 1:
        raise UserError("the small base model trains in one process: start `sam train` without a launcher")
    check_queries(recipe)
    processor = build_processor(recipe)
    model = build_small(recipe.sizes, len(processor.tokenizer), len(processor.qformer_tokenizer), recipe.seed)
    sizes, workers = recipe.sizes, recipe.workers or os.cpu_count() or 1
    corpus = make_corpus(out / "corpus", recipe.pictures, recipe.seed, sizes.image_size, sizes.patch_size, workers)
    held_out = make_corpus(
        out / "corpus-val", recipe.held_out, recipe.seed, sizes.image_size, sizes.patch_size, workers, "val"
    )
    figures = {
        "vision": _train_vision(recipe, model, corpus, held_out, out, accelerator),
        "language": _train_language(recipe, model, processor, out, accelerator),
        "alignment": _train_alignment(recipe, model, processor, corpus, held_out, out, accelerator),
    }
    save_base(model, processor, out / "model")
    write_json(out / RESULTS, figures)
    return figures


def check_queries(recipe: BaseRecipe) -> None:
    """Raise UserError when there isn't one query token for each word that is said of a picture."""
    if recipe.sizes.queries != SLOTS:
        raise UserError(f"sizes.queries: {recipe.sizes.queries}, but {SLOTS} words are said of a picture; use {SLOTS}")


def build_processor(recipe: BaseRecipe) -> Processor:
    """Tokenizers over the world's words."""
    words = world_words()
    return Processor(recipe.sizes.image_size, build_llm_tokenizer(words), build_qformer_tokenizer(words))


def _plan(recipe: BaseRecipe, optim: OptimRecipe) -> Plan:
    return Plan(optim, recipe.checkpoint, recipe.log_every)


def _train_vision(
    recipe: BaseRecipe,
    model: InstructBlipForConditionalGeneration,
    corpus: Corpus,
    held_out: Corpus,
    out: Path,
    accelerator: Accelerator,
) -> dict[str, float]:
    _place_by_waves(
        model.vision_model.embeddings.position_embedding, recipe.sizes.image_size // recipe.sizes.patch_size
    )
    job = vision_job(model.vision_model, corpus, recipe.vision.batch_size, recipe.seed)
    fit(job, _plan(recipe, recipe.vision), out / "vision", accelerator)
    model.vision_model.requires_grad_(False).eval()
    figures = patch_accuracy(job.module, held_out, recipe.held_out)
    say(f"vision: {figures['all']:.1%} of held-out patches of things read without a fault")
    return figures


def _place_by_waves(table: nn.Parameter, side: int) -> None:
    """Start the position embeddings as waves over row and column, so that nearness is known before training."""
    width = table.shape[-1]
    angles = torch.outer(torch.arange(side).float(), 100.0 ** (-torch.arange(width // 4) / (width // 4)))
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    half = waves.shape[1]
    grid = torch.cat([waves[None].expand(side, side, half), waves[:, None].expand(side, side, half)], dim=-1)
    with torch.no_grad():
        table[0, 1:, : 2 * half] = 0.3 * grid.flatten(0, 1)


def _train_language(
    recipe: BaseRecipe,
    model: InstructBlipForConditionalGeneration,
    processor: Processor,
    out: Path,
    accelerator: Accelerator,
) -> dict[str, float]:
    job = language_job(model.language_model, processor.tokenizer, recipe.language.batch_size, recipe.seed)
    fit(job, _plan(recipe, recipe.language), out / "language", accelerator)
    model.language_model.requires_grad_(False).eval()
    figures = lesson_accuracy(job.module, processor.tokenizer, recipe.held_out)
    say(f"language: held-out lessons answered without a fault: {figures}")
    return figures


def _train_alignment(
    recipe: BaseRecipe,
    model: InstructBlipForConditionalGeneration,
    processor: Processor,
    corpus: Corpus,
    held_out: Corpus,
    out: Path,
    accelerator: Accelerator,
) -> dict[str, float]:
    sam = SemanticAlignmentModel(model, NO_METHOD)
    lessons = Lessons(corpus, tower_features(sam, corpus), processor, recipe.seed)
    job = alignment_job(sam, lessons, recipe.alignment.batch_size, recipe.seed, recipe.word_weight)
    fit(job, _plan(recipe, recipe.alignment), out / "alignment", accelerator)
    unseen = Lessons(held_out, tower_features(sam, held_out), processor, recipe.seed, split="val")
    figures = word_accuracy(job.module, unseen, range(len(held_out)))
    say(f"alignment: {figures['things']:.1%} of held-out things said in full by the visual tokens")
    return figures


def save_base(model: InstructBlipForConditionalGeneration, processor: Processor, directory: Path) -> None:
    """Write the model in the hub's format, weights in half precision, with its tokenizers and `sam.json`.

    What `directory` held is replaced, whole or not at all. Raises UserError when it can't be written.
    """
    state: dict[str, Tensor] = {name: value.to(SAVED_AS) for name, value in model.state_dict().items()}
    transformers_logging.disable_progress_bar()  # for one small file
    with atomic_directory(directory) as staging:
        model.save_pretrained(staging, state_dict=state)
        processor.save(staging)
        write_traits(staging, WORLD)
