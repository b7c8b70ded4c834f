"""The released scoring protocol: equal to the released scorer, right where it crashes."""

import json
import subprocess
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pytest
from rouge import Rouge

from samcli.errors import UserError
from samcli.evaluation import scores as scoring
from samcli.evaluation.released_protocol import clean_up, rouge_l
from samcli.evaluation.scores import Scores, signature

GOLDENS = Path(__file__).parent / "goldens" / "scores-a"


def score(*pairs: tuple[str, str]) -> Scores:
    predictions, references = zip(*pairs, strict=True)
    return scoring.score(
        "released", [str(place) for place in range(len(pairs))], predictions, [[text] for text in references]
    )


@pytest.mark.parametrize("dataset", ["AESOP", "VIST"])
def test_equals_the_released_scorer(dataset: str) -> None:
    records = json.loads((GOLDENS / dataset / "pred.json").read_text())
    whole = json.loads((GOLDENS / dataset / "eval.json").read_text())
    samples = json.loads((GOLDENS / dataset / "eval_score.json").read_text())
    ours = scoring.score(
        "released",
        [str(record["sample_id"]) for record in records],
        [record["pred_response"] for record in records],
        [[record["gt_response"]] for record in records],
    )
    assert (round(ours.rouge_l, 2), round(ours.cider, 2), round(ours.bleu_4, 2)) == tuple(whole.values())
    assert [sample.id for sample in ours.samples] == [str(sample["id"]) for sample in samples]
    for sample, golden in zip(ours.samples, samples, strict=True):
        assert sample.rouge_l == pytest.approx(golden["rouge"], rel=0, abs=1e-9)
        assert sample.cider == pytest.approx(golden["cider"], rel=0, abs=1e-9)
        assert sample.bleu_4 == pytest.approx(golden["bleu4"], rel=0, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A well-known dog, who barks", "a well known dog who barks"),
        ("a well-known dog - who barks", "a wellknown dog  who barks"),
        ("1,200 well-known dogs", "1200 wellknown dogs"),
        ("3.5 U.S. cats.", "3.5 us cats"),
        ("'Mike's cat'", "mike's cat"),
        ("At 10:30,\nhe\tleft!", "at 10:30 he left"),
        ('"Go!" she said', "go  she said"),
        ("<b>@home</b>", "b  home  b"),
        ("x." * 50, "x" * 32 + "x." * 18),
        ("?", ""),
        (" . ", ""),
    ],
)
def test_clean_up_keeps_the_released_quirks(text: str, cleaned: str) -> None:
    assert clean_up(text) == cleaned


def test_rouge_l_by_hand() -> None:
    assert rouge_l("a b c d", ["a b x d"]) == pytest.approx(3 / 4, abs=1e-7)
    assert rouge_l("a a a b", ["a b"]) == pytest.approx(1, abs=1e-7)  # words are sets
    assert rouge_l("c d.a b", ["a b.c d"]) == pytest.approx(1, abs=1e-7)  # the order of sentences doesn't matter
    assert rouge_l("a b", ["x y", "a z"]) == pytest.approx(1 / 2, abs=1e-7)  # the best reference


def test_bleu_4_by_hand() -> None:
    assert score(("a b c d e", "a b c d f")).bleu_4 == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert score(("a b c d", "a b c d e")).bleu_4 == pytest.approx(100 * 2.718281828459045 ** (1 - 5 / 4))


def test_cider_by_hand() -> None:
    """Ten for an exact answer, nothing for one without a common word; 0 for a lone sample, since log(1) is 0."""
    two = score(("a b c d", "a b c d"), ("w x y z", "e f g h"))
    assert [sample.cider for sample in two.samples] == pytest.approx([10, 0])
    assert two.cider == pytest.approx(500)
    assert score(("a b c d", "a b c d")).cider == 0


def test_several_references_are_for_all_three_scores() -> None:
    scores = scoring.score("released", ["0", "1"], ["a b c d", "e f g h"], [["x y z", "a b c d"], ["e f g h"]])
    assert scores.rouge_l == pytest.approx(100)
    assert scores.bleu_4 == pytest.approx(100)
    assert scores.samples[0].cider == pytest.approx(5)  # the mean over the references
    assert "|refs:2|" in signature(scores)


@pytest.mark.parametrize("empty", ["", "  \n", "?!", ".", "." * 40])
def test_a_prediction_without_words_scores_0(empty: str) -> None:
    scores = score(("a b c d", "a b c d"), (empty, "e f g h"))
    assert scores.samples[1].rouge_l == 0
    assert scores.samples[1].bleu_4 == pytest.approx(0, abs=1e-9)
    assert scores.samples[1].cider == 0
    assert scores.rouge_l == pytest.approx(50, abs=1e-5)


def test_a_prediction_of_1200_words_gets_its_score() -> None:
    long = " ".join(f"word{place}" for place in range(1200))
    with pytest.raises(RecursionError):
        Rouge().get_scores(long, "word3 word7")
    limit = sys.getrecursionlimit()
    precision, recall = 2 / 1200, 1
    assert score((long, "word3 word7")).rouge_l == pytest.approx(
        100 * 2 * precision * recall / (precision + recall), rel=1e-6
    )
    assert sys.getrecursionlimit() == limit


def test_marks_never_crash_the_scorer() -> None:
    parts = [".", "a", " ", "3", ",", "'"]
    texts = ["".join(text) for length in (1, 2, 3) for text in product(parts, repeat=length)]
    scores = score(*((text, "a 3") for text in texts))
    assert len(scores.samples) == len(texts)
    assert all(0 <= sample.rouge_l <= 1 for sample in scores.samples)


def test_repeated_ids_are_refused() -> None:
    with pytest.raises(UserError, match=r"unique; these repeat: 'b'$"):
        scoring.score("released", ["a", "b", "b"], ["x"] * 3, [["x"]] * 3)


def test_empty_references_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="'1', '2', '3', '4', '5' and 2 more"):
        score(("a", "b"), *[("a", "?!")] * 7)
    with pytest.raises(UserError, match=r"without a reference .*: 'a'$"):
        scoring.score("released", ["a"], ["x"], [[]])
    with pytest.raises(UserError, match="no samples"):
        scoring.score("released", [], [], [])


def test_lists_of_different_lengths_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="2 ids, 1 predictions"):
        scoring.score("released", ["a", "b"], ["x"], [["x"]])


def test_scores_are_the_same_every_time_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [("a b c d", "a b d c"), ("e f g h", "e f g x")]
    first, second = score(*pairs), score(*pairs)
    assert (first.rouge_l, first.cider, first.bleu_4) == (second.rouge_l, second.cider, second.bleu_4)
    assert capsys.readouterr() == ("", "")


def test_signature_names_what_a_number_depends_on() -> None:
    scores = score(("a", "b"), ("c", "d"))
    assert signature(scores, scores) == (
        "protocol:released|clean:released-32-stops|case:lower|tok:blanks"
        f"|rouge:{version('rouge')}|pycocoevalcap:{version('pycocoevalcap')}|df:scored-references|refs:1|n:2+2|data:{scores.data}+{scores.data}"
    )


@pytest.mark.parametrize("module", ["scores", "command"])
def test_import_loads_neither_the_metric_packages_nor_torch(module: str) -> None:
    code = (
        f"import sys, samcli.evaluation.{module}; "
        "print([name for name in ('torch', 'transformers', 'rouge', 'pycocoevalcap') if name in sys.modules])"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
