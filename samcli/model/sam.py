"""The model: pixels and an instruction become visual tokens, visual tokens and a prompt become a loss or an answer.

Shapes: B samples, M images in all, P positions of an image, V vision width, K query tokens, H Q-Former width, D LLM
width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration
from transformers.generation.streamers import BaseStreamer

from samcli.data.batch import Batch
from samcli.errors import UserError
from samcli.model.answer_loss import decoder_loss, frozen_head_loss
from samcli.model.generate import Asking, Generated, as_tensor, generated
from samcli.model.guidance import Groups, Guidance, QFormerInputs, guided_tokens, in_own_numbers, run_layers
from samcli.model.language import is_decoder_only, reading_layers, transformer_layers
from samcli.model.linear_context import LinearContext
from samcli.model.mmicl import train_attention
from samcli.model.sequence import IGNORED, Side, TokenSequence, join, wanted_answers
from samcli.model.vpgc import SecondLook, Vpgc
from samcli.recipe import DecodingRecipe
from samcli.recipe_method import MethodRecipe


class SemanticAlignmentModel(nn.Module):
    """A frozen InstructBLIP whose images guide one another; trained: guidance and the projection into the LLM.

    Its rivals of the paper's Table 3 are other settings of `method`.
    """

    def __init__(self, base: InstructBlipForConditionalGeneration, method: MethodRecipe) -> None:
        """Wrap `base`; its parameters are frozen but for the projection. Raises ValueError for layers it lacks."""
        super().__init__()
        _check_layers(base, method)
        self.base = base.requires_grad_(False)
        self.method = method
        self.base.language_projection.float()  # small steps would round away in half precision
        self.base.language_projection.requires_grad_(method.vpgc.train_projection or not method.vpgc.enabled)
        widths = base.vision_model.config.hidden_size, base.qformer.config.hidden_size
        self.guidance = Guidance(method.guidance, *widths) if method.guidance.enabled else None
        self.linear = LinearContext(method.linear, *widths) if method.linear.enabled else None
        self.vpgc = Vpgc(method.vpgc, base.query_tokens, self.llm_width) if method.vpgc.enabled else None
        self._undo: list[Callable[[], None]] = []
        self._recomputed: list[nn.Module] = []
        if self.vpgc is not None:
            self._undo.append(self.vpgc.watch(reading_layers(base)).remove)
        if method.mmicl.enabled:
            self._undo.append(train_attention(base, method.mmicl))
        self.train()

    def release(self) -> None:
        """Take out of the base's language model what the method put there; the projection stays as trained."""
        while self._undo:
            self._undo.pop()()

    def place(self, device: torch.device) -> Self:
        """Move the model to a device; a base that is spread over several, or quantised, is where it belongs already."""
        spread = len(set(getattr(self.base, "hf_device_map", {}).values())) > 1
        if spread or getattr(self.base, "is_quantized", False):
            for part in (self.guidance, self.linear, self.vpgc):
                if part is not None:
                    part.to(device)
            return self
        return self.to(device)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the trained parts; the frozen ones stay in `eval()`, so that no dropout acts in them."""
        super().train(mode)
        self.base.eval()
        for layer in self._recomputed:  # transformers recomputes layers in training; what is in them stays as it is
            layer.training = mode
        return self

    def recompute_activations(self) -> None:
        """Keep of each of the LLM's layers its input alone while training, and compute the rest twice."""
        llm: Any = self.base.language_model
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._recomputed = transformer_layers(self.base)
        self._undo.append(llm.gradient_checkpointing_disable)
        self.train(self.training)

    @property
    def feature_dtype(self) -> torch.dtype:
        """The numbers of the vision tower's features."""
        found: torch.dtype = self.base.vision_model.dtype
        return found

    @property
    def feature_shape(self) -> tuple[int, int]:
        """(P, V)."""
        vision = self.base.vision_model.config
        return (vision.image_size // vision.patch_size) ** 2 + 1, int(vision.hidden_size)

    @property
    def queries(self) -> int:
        """Visual tokens an image."""
        return int(self.base.config.num_query_tokens)

    @property
    def llm_width(self) -> int:
        """D."""
        return int(self.base.language_projection.out_features)

    @property
    def declares_images(self) -> bool:
        """Whether prompts are to name their images one by one, with the visual tokens where they are named."""
        return self.method.mmicl.enabled and self.method.mmicl.declarations

    def word_embeddings(self) -> Tensor:
        """The LLM's input embeddings, (vocabulary, D)."""
        table: Tensor = self.base.get_input_embeddings().get_parameter("weight")
        return table

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters that training changes, by their adapter names."""
        parts = (("", self.base), ("", self.guidance), ("linear.", self.linear), ("vpgc.", self.vpgc))
        for prefix, part in parts:
            for name, parameter in part.named_parameters() if part is not None else ():
                if parameter.requires_grad:
                    yield prefix + name, parameter

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
        # in its own numbers whatever a training computes in, so that kept features are the same
        with torch.no_grad(), torch.autocast(pixel_values.device.type, enabled=False):
            features: Tensor = self.base.vision_model(pixel_values=pixel_values).last_hidden_state
        return features

    def query_outputs(self, image_embeds: Tensor, counts: Tensor, text_ids: Tensor, text_mask: Tensor) -> Tensor:
        """The Q-Former's query tokens of every image before the projection, (M, K, H)."""
        groups = Groups.of(counts)
        per_sample = self._embed_instruction(text_ids, text_mask)
        tokens, mask = (part[groups.owner] for part in per_sample)
        image_side = QFormerInputs(tokens, mask, image_embeds, self.queries)
        qformer = self.base.qformer
        if self.guidance is not None:
            merged, _ = self.guidance.adjustment(image_embeds, groups)
            rows = per_sample if self.guidance.settings.context == "all" else (tokens, mask)
            context_side = QFormerInputs(*rows, merged, self.queries)
            output = guided_tokens(qformer, self.guidance, image_side, context_side, groups)
        elif self.linear is not None:
            output = self.linear.tokens(qformer, image_side, groups)
        else:
            output = run_layers(qformer, image_side, tokens, 1, len(qformer.encoder.layer))
        return output[:, : self.queries]

    def _embed_instruction(
        self, text_ids: Tensor, text_mask: Tensor, queries: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Query and instruction tokens of each row (R, K + T, H) and the additive mask (R, 1, 1, K + T).

        `queries` (R, K, H) take the place of the Q-Former's own.
        """
        self.check_instruction_length(text_ids.shape[1])
        queries = self.base.query_tokens.expand(len(text_ids), -1, -1) if queries is None else queries
        tokens: Tensor = self.base.qformer.embeddings(input_ids=text_ids, query_embeds=queries)
        seen = torch.cat([torch.ones_like(text_mask[:, :1]).expand(-1, self.queries), text_mask], dim=1)
        blocked = torch.finfo(tokens.dtype).min
        return tokens, ((1 - seen).to(tokens.dtype) * blocked)[:, None, None, :]

    def _image_embeds(self, batch: Batch) -> Tensor:
        """The vision tower's features (M, P, V), which a batch may bring along."""
        if batch.image_embeds is not None:
            return batch.image_embeds
        if batch.pixel_values is None:
            raise ValueError("the batch has neither pixel_values nor image_embeds")
        return self.encode_images(batch.pixel_values)

    def visual_tokens(self, batch: Batch, image_embeds: Tensor | None = None) -> Tensor:
        """The visual tokens of every image in the LLM's space, (M, K, D)."""
        embeds = self._image_embeds(batch) if image_embeds is None else image_embeds
        outputs = self.query_outputs(embeds, batch.image_counts, batch.qformer_ids, batch.qformer_mask)
        return in_own_numbers(self.base.language_projection, outputs)

    def forward(self, batch: Batch) -> Tensor:
        """The mean cross-entropy over all answer tokens of the batch."""
        embeds = self._image_embeds(batch)
        return self.answer_loss(self.visual_tokens(batch, embeds), batch, embeds)

    def answer_loss(self, visual: Tensor, batch: Batch, image_embeds: Tensor | None = None) -> Tensor:
        """Cross-entropy of the answers behind given visual tokens (M, K, D) and the prompts.

        `image_embeds` are needed by a method that looks at the images again.
        """
        together = is_decoder_only(self.base)
        sequence = join(visual, batch, self.base.get_input_embeddings(), answers=together, pad="right")
        self._allow_second_look(sequence, batch, image_embeds)
        if not together:
            return self._encoder_decoder_loss(sequence, batch)
        llm = self.base.language_model
        return decoder_loss(llm.get_decoder(), llm.get_output_embeddings(), sequence)

    def _encoder_decoder_loss(self, sequence: TokenSequence, batch: Batch) -> Tensor:
        """Of a T5, whose encoder reads the prompt and whose decoder the answer."""
        answer_ids, answer_mask = wanted_answers(batch)
        llm: Any = self.base.language_model
        inputs = {"inputs_embeds": sequence.embeds, "attention_mask": sequence.mask}
        read = llm.get_encoder()(**inputs).last_hidden_state
        before = llm._shift_right(answer_ids.masked_fill(answer_mask == 0, IGNORED))
        context = {"encoder_hidden_states": read, "encoder_attention_mask": sequence.mask}
        hidden = llm.get_decoder()(input_ids=before, **context, use_cache=False).last_hidden_state
        if getattr(llm.config, "scale_decoder_outputs", llm.config.tie_word_embeddings):  # where one table serves both
            hidden = hidden * llm.config.d_model**-0.5
        wanted = answer_mask.bool().to(hidden.device)
        return frozen_head_loss(hidden[wanted], llm.get_output_embeddings(), answer_ids.to(hidden.device)[wanted])

    def _allow_second_look(self, sequence: TokenSequence, batch: Batch, image_embeds: Tensor | None) -> None:
        """With VPG-C, lend the language model's middle what it needs to look at the images again."""
        if self.vpgc is not None:
            self.vpgc.look = self._second_look(sequence, batch, image_embeds)

    def _second_look(self, sequence: TokenSequence, batch: Batch, image_embeds: Tensor | None) -> SecondLook:
        embeds = self._image_embeds(batch) if image_embeds is None else image_embeds
        owner = Groups.of(batch.image_counts).owner

        def outputs(queries: Tensor, images: Tensor) -> Tensor:
            asked = owner[images]
            tokens, mask = self._embed_instruction(batch.qformer_ids[asked], batch.qformer_mask[asked], queries)
            inputs = QFormerInputs(tokens, mask, embeds[images], self.queries)
            qformer = self.base.qformer
            return run_layers(qformer, inputs, tokens, 1, len(qformer.encoder.layer))[:, : self.queries]

        return SecondLook(sequence, owner, torch.arange(len(owner), device=owner.device), outputs)

    def generate(self, batch: Batch, decoding: DecodingRecipe, streamer: BaseStreamer | None = None) -> Tensor:
        """Answer ids (B, at most `max_length`) in the batch's order, padded on the right."""
        return as_tensor(self.answers(batch, Asking(decoding, streamer)), self.base.language_model)

    @torch.no_grad()
    def answers(self, batch: Batch, asking: Asking) -> Iterator[Generated]:
        """Answers to a batch, in the order in which they are done, as `generated` makes them."""
        if self.vpgc is not None:  # which sees the images twice
            batch = replace(batch, image_embeds=self._image_embeds(batch))
        pieces = batch.pieces(asking.at_once or len(batch.image_counts))
        visual = torch.cat([self.visual_tokens(piece) for piece in pieces])
        pad: Side = "left" if is_decoder_only(self.base) else "right"
        sequence = join(visual, batch, self.base.get_input_embeddings(), answers=False, pad=pad)
        look = self._second_look(sequence, batch, batch.image_embeds) if self.vpgc is not None else None

        def reading(rows: Sequence[int], length: int) -> None:
            if self.vpgc is not None and look is not None:
                self.vpgc.look = look.of(rows, length)

        try:
            yield from generated(self.base.language_model, sequence, asking, reading)
        finally:
            if self.vpgc is not None:
                self.vpgc.look = None


def _check_layers(base: InstructBlipForConditionalGeneration, method: MethodRecipe) -> None:
    depth = base.qformer.config.num_hidden_layers
    named = {"guidance.to_layer": (method.guidance.enabled, method.guidance.to_layer)}
    named["linear.layer"] = (method.linear.enabled, method.linear.layer)
    for key, (used, layer) in named.items():
        if used and layer > depth:
            raise ValueError(f"{key} is {layer}, but the Q-Former has {depth} layers")
