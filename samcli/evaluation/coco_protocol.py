"""The protocol of coco-caption: Penn Treebank tokens without punctuation, ROUGE-L with beta 1.2."""

from collections.abc import Sequence

from samcli.evaluation import ptb


def rouge_l(prediction: str, references: Sequence[str]) -> float:
    """ROUGE-L of tokenised texts, 0..1: the best precision and the best recall over the references, beta 1.2."""
    from pycocoevalcap.rouge.rouge import Rouge

    return float(Rouge().calc_score([prediction], list(references)))


def has_words(text: str) -> bool:
    """Whether anything but punctuation was in it."""
    return bool(text.strip())


def signature() -> str:
    """What a number depends on beside the data."""
    return f"tok:ptb-3.4.1|case:lower|rouge-beta:1.2|java:{ptb.java_version()}"
