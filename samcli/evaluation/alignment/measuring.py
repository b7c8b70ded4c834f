"""A dataset measured: batch after batch, each kept as soon as it is done."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samcli.console import progress
from samcli.data.sample import Sample
from samcli.errors import Interrupted
from samcli.evaluation.alignment.looking import eye_of, look_at
from samcli.evaluation.alignment.measure_file import MEASURES, WITHOUT_CONTEXT, MeasureFile, read_measures
from samcli.evaluation.alignment.sample_measures import Measures, Ruler
from samcli.evaluation.alignment.truth import Truth
from samcli.model.captioner import Captioner
from samcli.signals import listening

_DIGITS = 6  # of a measure, as it is kept


def measure_samples(
    captioner: Captioner, dataset: str, samples: Sequence[Sample], path: Path, batch_size: int
) -> list[dict[str, Any]]:
    """The measures of a dataset's samples as `read_measures` gives them, also kept in `path`; missing ones are made.

    Raises Interrupted after a signal, with all that was measured kept; UserError when `path` holds measures of others.
    """
    file = MeasureFile(path, samples, batch_size)
    with listening() as stop, progress(dataset, len(samples), file.done) as advance:
        ruler = ruler_for(captioner, samples) if file.done < len(samples) else None
        while ruler is not None and file.done < len(samples):
            looked = look_at(captioner, samples[file.done : file.done + batch_size])
            parts = {MEASURES: looked.seen, WITHOUT_CONTEXT: looked.alone}
            found = {
                name: iter(ruler.measure(looked.samples, seen)) for name, seen in parts.items() if seen is not None
            }
            file.add([_line(fault, found) for fault in looked.faults])
            advance(len(looked.faults))
            if stop.signal_number is not None:
                done = f"stopped after {file.done} of {len(samples)} samples, kept in {path}; the same command goes on"
                raise Interrupted(stop.signal_number, done)
    return read_measures(path)


def ruler_for(captioner: Captioner, samples: Sequence[Sample]) -> Ruler:
    """What measures these samples' visual tokens of this model."""
    truth = Truth.of(samples, eye_of(captioner))
    return Ruler(captioner.model.word_embeddings(), captioner.processor.tokenizer, truth)


def _line(fault: str | None, found: Mapping[str, Iterator[Measures]]) -> dict[str, Any]:
    """What is kept of the next sample."""
    if fault is not None:
        return {"error": fault, MEASURES: {}}
    return {"error": None} | {part: _rounded(next(of_samples)) for part, of_samples in found.items()}


def _rounded(measures: Measures) -> Measures:
    return {name: None if value is None else round(value, _DIGITS) for name, value in measures.items()}
