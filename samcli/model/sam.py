"""The model: pixels and an instruction become visual tokens, visual tokens and a prompt become a loss or an answer.

Shapes: B samples, M images in all, P positions of an image, V vision width, K query tokens, D LLM width, S the longest
sequence of visual tokens, prompt and answer together.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    InstructBlipForConditionalGeneration,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.generation.streamers import BaseStreamer

from samcli.data.batch import Batch
from samcli.errors import UserError
from samcli.model.guidance import Groups, Guidance, QFormerInputs, guided_tokens, in_own_numbers, run_layers
from samcli.recipe import DecodingRecipe, GuidanceRecipe

IGNORED = -100


class SemanticAlignmentModel(nn.Module):
    """A frozen InstructBLIP whose images guide one another; trained: guidance and the projection into the LLM."""

    def __init__(self, base: InstructBlipForConditionalGeneration, guidance: GuidanceRecipe) -> None:
        """Wrap `base`; its parameters are frozen but for the projection. Raises ValueError for layers it lacks."""
        super().__init__()
        qformer, vision = base.qformer.config, base.vision_model.config
        depth = qformer.num_hidden_layers
        if guidance.enabled and guidance.to_layer > depth:
            raise ValueError(f"guidance.to_layer is {guidance.to_layer}, but the Q-Former has {depth} layers")
        self.base = base.requires_grad_(False)
        self.base.language_projection.float().requires_grad_(True)  # small steps would round away in half precision
        widths = vision.hidden_size, qformer.hidden_size
        self.guidance = Guidance(guidance, *widths) if guidance.enabled else None
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the trained parts; the frozen ones stay in `eval()`, so that no dropout acts in them."""
        super().train(mode)
        self.base.eval()
        return self

    @property
    def queries(self) -> int:
        """Visual tokens an image."""
        return int(self.base.config.num_query_tokens)

    def word_embeddings(self) -> Tensor:
        """The LLM's input embeddings, (vocabulary, D)."""
        table: Tensor = self.base.get_input_embeddings().get_parameter("weight")
        return table

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters that training changes, by their adapter names."""
        for name, parameter in self.base.language_projection.named_parameters():
            yield f"language_projection.{name}", parameter
        if self.guidance is not None:
            yield from ((name, p) for name, p in self.guidance.named_parameters() if p.requires_grad)

    def check_instruction_length(self, tokens: int) -> None:
        """Raise UserError when instructions of so many tokens are longer than the Q-Former takes."""
        most = self.base.qformer.config.max_position_embeddings
        if tokens > most:
            raise UserError(
                f"text.qformer_tokens: instructions of {tokens} tokens, but the Q-Former takes {most} at most; "
                f"set it to {most} or less"
            )

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """The frozen vision tower: pixels (M, 3, H, W) to features after its last norm (M, P, V)."""
        with torch.no_grad():
            features: Tensor = self.base.vision_model(pixel_values=pixel_values).last_hidden_state
        return features

    def query_outputs(self, image_embeds: Tensor, counts: Tensor, text_ids: Tensor, text_mask: Tensor) -> Tensor:
        """The Q-Former's query tokens of every image before the projection, (M, K, H)."""
        groups = Groups.of(counts)
        per_sample = self._embed_instruction(text_ids, text_mask)
        tokens, mask = (part[groups.owner] for part in per_sample)
        image_side = QFormerInputs(tokens, mask, image_embeds, self.queries)
        qformer = self.base.qformer
        if self.guidance is None:
            output = run_layers(qformer, image_side, tokens, 1, len(qformer.encoder.layer))
        else:
            merged, _ = self.guidance.adjustment(image_embeds, groups)
            rows = per_sample if self.guidance.settings.context == "all" else (tokens, mask)
            context_side = QFormerInputs(*rows, merged, self.queries)
            output = guided_tokens(qformer, self.guidance, image_side, context_side, groups)
        return output[:, : self.queries]

    def _embed_instruction(self, text_ids: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Query and instruction tokens of each sample (B, K + T, H) and the additive mask (B, 1, 1, K + T)."""
        self.check_instruction_length(text_ids.shape[1])
        queries = self.base.query_tokens.expand(len(text_ids), -1, -1)
        tokens: Tensor = self.base.qformer.embeddings(input_ids=text_ids, query_embeds=queries)
        seen = torch.cat([torch.ones_like(text_mask[:, :1]).expand(-1, self.queries), text_mask], dim=1)
        blocked = torch.finfo(tokens.dtype).min
        return tokens, ((1 - seen).to(tokens.dtype) * blocked)[:, None, None, :]

    def visual_tokens(self, batch: Batch) -> Tensor:
        """The visual tokens of every image in the LLM's space, (M, K, D)."""
        embeds = batch.image_embeds
        if embeds is None:
            if batch.pixel_values is None:
                raise ValueError("the batch has neither pixel_values nor image_embeds")
            embeds = self.encode_images(batch.pixel_values)
        outputs = self.query_outputs(embeds, batch.image_counts, batch.qformer_ids, batch.qformer_mask)
        return in_own_numbers(self.base.language_projection, outputs)

    def forward(self, batch: Batch) -> Tensor:
        """The mean cross-entropy over all answer tokens of the batch."""
        return self.answer_loss(self.visual_tokens(batch), batch)

    def answer_loss(self, visual: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the answers behind given visual tokens (M, K, D) and the prompts."""
        if batch.answer_ids is None or batch.answer_mask is None:
            raise ValueError("the batch has no answers")
        prompt = batch.prompt_ids.masked_fill(batch.prompt_mask == 0, IGNORED)
        answer = batch.answer_ids.masked_fill(batch.answer_mask == 0, IGNORED)
        texts, text_mask = torch.cat([prompt, answer], dim=1), torch.cat([batch.prompt_mask, batch.answer_mask], dim=1)
        targets = torch.cat([torch.full_like(prompt, IGNORED), answer], dim=1)
        embeds, mask, labels = self._sequence(visual, batch.image_counts, texts, text_mask, targets, side="right")
        hidden = self.base.language_model.get_decoder()(inputs_embeds=embeds, attention_mask=mask).last_hidden_state
        wanted = labels[:, 1:] != IGNORED  # the head runs where an answer token is predicted, nowhere else
        logits = self.base.language_model.get_output_embeddings()(hidden[:, :-1][wanted])
        return nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted])

    def _sequence(
        self, visual: Tensor, counts: Tensor, texts: Tensor, text_mask: Tensor, targets: Tensor, side: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Visual tokens, then text, without gaps: embeddings (B, S, D), mask and targets (B, S), padded on `side`."""
        words = self.base.get_input_embeddings()(texts.clamp(min=0))
        images, width = int(counts.max()), visual.shape[-1]
        present = torch.arange(images, device=counts.device) < counts[:, None]  # (B, most images)
        slots = visual.new_zeros(len(counts), images, self.queries, width)
        slots = slots.masked_scatter(present[:, :, None, None], visual).flatten(1, 2)
        slot_mask = present.repeat_interleave(self.queries, dim=1).to(text_mask.dtype)
        embeds = torch.cat([slots.to(words.dtype), words], dim=1)
        mask = torch.cat([slot_mask, text_mask], dim=1)
        labels = torch.cat([torch.full_like(slot_mask, IGNORED), targets], dim=1)
        return _close_gaps(embeds, mask, labels, side)

    @torch.no_grad()
    def generate(self, batch: Batch, decoding: DecodingRecipe, streamer: BaseStreamer | None = None) -> Tensor:
        """Answer ids (B, at most `max_length`), BOS first, generated as the release does: from embeddings alone.

        Each row starts with a BOS that the model never sees, but that counts in the length and in the repetition
        penalty.
        """
        visual = self.visual_tokens(batch)
        texts = batch.prompt_ids.masked_fill(batch.prompt_mask == 0, IGNORED)
        ignored = torch.full_like(texts, IGNORED)
        embeds, mask, _ = self._sequence(visual, batch.image_counts, texts, batch.prompt_mask, ignored, side="left")
        llm = self.base.language_model
        start = torch.full((len(embeds), 1), int(llm.config.bos_token_id), device=embeds.device)
        settings = GenerationConfig(
            num_beams=decoding.beams,
            do_sample=False,
            max_new_tokens=decoding.max_length - 1,
            min_new_tokens=decoding.min_length - 1 or None,
            repetition_penalty=1.0,
            length_penalty=decoding.length_penalty,
            bos_token_id=llm.config.bos_token_id,
            eos_token_id=llm.config.eos_token_id,
            pad_token_id=llm.config.pad_token_id or 0,
        )
        # generate's own penalty passes over as many of the first ids as the embeddings have padding on the left
        penalty = RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)
        more: dict[str, Any] = {"streamer": streamer} if streamer is not None else {}
        ids: Tensor = llm.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            input_ids=start,
            generation_config=settings,
            logits_processor=LogitsProcessorList([penalty]),
            **more,
        )
        return ids


def _close_gaps(embeds: Tensor, mask: Tensor, labels: Tensor, side: str) -> tuple[Tensor, Tensor, Tensor]:
    """Move what the mask keeps of each row to one side, in order, padding to the other, and cut off empty columns."""
    key = mask if side == "left" else 1 - mask
    order = key.argsort(dim=1, stable=True)
    longest = int(mask.sum(dim=1).max())
    order = order[:, -longest:] if side == "left" else order[:, :longest]
    gathered = embeds.gather(1, order[..., None].expand(-1, -1, embeds.shape[-1]))
    return gathered, mask.gather(1, order), labels.gather(1, order)
