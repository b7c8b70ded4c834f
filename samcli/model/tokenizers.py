"""The embedded model's two tokenizers, built from the world's words; any other text is spelt letter by letter."""

import string
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN, BLANK = "<pad>", "<s>", "</s>", "<unk>", "<blank>"
_GAP = "\u2581"  # marks the beginning of a word
_LETTERS = string.ascii_letters + string.digits + string.punctuation


def build_llm_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words for the small LLM, ids in the order of `words`; BOS in front, nothing is lost."""
    pieces = [(name, 0.0) for name in (PAD, BOS, EOS, UNKNOWN, BLANK)]
    pieces += [(_GAP + word, -1.0) for word in dict.fromkeys(words)]
    known = {piece for piece, _ in pieces}
    pieces += [(letter, -10.0) for letter in (_GAP, *_LETTERS) if letter not in known]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_GAP, prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(replacement=_GAP, prepend_scheme="first")
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=[BLANK],
        truncation_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_qformer_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A lower-case word-piece tokenizer for the Q-Former, with BERT's special tokens."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*special, *(word.lower() for word in words), *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, truncation_side="left", **names)
