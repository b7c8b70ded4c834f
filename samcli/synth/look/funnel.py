"""How many samples, or tries at them, reached each stage, how many passed it, and why the others did not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.amounts import counted
from samcli.figures import save_picture, style
from samcli.synth.look.seen import Loss

FUNNEL = "funnel"
_PASSED, _LOST, _REACHED = "#1f5fa8", "#b3541e", "#dfe3ea"
_MOST_REASONS = 5  # in the drawing, for each stage
_INCHES = 0.235  # height of a line of text


@dataclass(frozen=True)
class Step:
    """A stage: how many reached it, and how many were lost there by reason, the most frequent first."""

    stage: str
    reached: int
    losses: tuple[tuple[Loss, int], ...]

    @property
    def passed(self) -> int:
        """How many went on."""
        return self.reached - sum(number for _, number in self.losses)


class Funnel:
    """Counts endings one by one."""

    def __init__(self) -> None:
        self._tries = 0
        self._losses: Counter[Loss] = Counter()
        self._stages: Sequence[str] = ()

    def add(self, stages: Sequence[str], losses: Iterable[Loss | None]) -> None:
        """Count a sample's tries; the longest list of stages is that of the set."""
        if len(stages) > len(self._stages):
            self._stages = stages
        for loss in losses:
            self._tries += 1
            if loss is not None:
                self._losses[loss] += 1

    def steps(self) -> list[Step]:
        """The stages in their order; those that only losses name come last."""
        found, reached = [], self._tries
        for stage in dict.fromkeys((*self._stages, *sorted(loss.stage for loss in self._losses))):
            lost = [(loss, number) for loss, number in self._losses.items() if loss.stage == stage]
            step = Step(stage, reached, tuple(sorted(lost, key=lambda each: (-each[1], each[0].reason))))
            found.append(step)
            reached = step.passed
        return found


def draw_funnel(steps: Sequence[Step], title: str, directory: Path) -> list[Path]:
    """Draw it as `funnel.png` and `.svg`: a bar a stage, beside it the reasons for losses; return the files."""
    with style(9):
        return save_picture(_figure(steps, title), directory / FUNNEL)


def _figure(steps: Sequence[Step], title: str) -> Any:
    from matplotlib.figure import Figure

    told = [_reasons(step) for step in steps]
    heights = [max(1.3, len(lines)) + 0.5 for lines in told]
    figure = Figure(figsize=(10.4, 1.0 + _INCHES * sum(heights)), layout="constrained")
    axes, words = figure.subplots(1, 2, width_ratios=(6, 7), sharey=True)
    most, top = steps[0].reached, 0.0
    middles = []
    for step, lines, height in zip(steps, told, heights, strict=True):
        middle = top + height / 2
        axes.barh(middle, step.reached, height=1.2, color=_REACHED)
        axes.barh(middle, step.passed, height=1.2, color=_PASSED)
        axes.text(step.reached + 0.015 * most, middle, _numbers(step), va="center", fontsize=8.5)
        for place, line in enumerate(lines):
            words.text(0, middle + place - (len(lines) - 1) / 2, line, va="center", fontsize=8.5, color=_LOST)
        middles.append(middle)
        top += height
    axes.set_yticks(middles, [step.stage for step in steps])
    axes.set_ylim(top, 0)
    axes.set_xlim(0, max(1, most) * 1.6)
    for each in (axes, words):
        each.spines[:].set_visible(False)
        each.tick_params(length=0, labelbottom=False)
    words.set(xlim=(0, 1))
    words.tick_params(labelleft=False)
    axes.set_title("reached (pale) and passed (blue)", fontsize=9, loc="left")
    words.set_title("lost there, and why", fontsize=9, loc="left")
    figure.suptitle(f"{title}: {steps[-1].passed:,} of {most:,} passed all stages", fontsize=11, x=0.01, ha="left")
    return figure


def _numbers(step: Step) -> str:
    share = f" ({100 * step.passed / step.reached:.0f} %)" if step.reached else ""
    return f"{step.passed:,} of {step.reached:,}{share}"


def _reasons(step: Step) -> list[str]:
    """The most frequent reasons, shortened to fit, and what the others come to."""
    lines = [
        f"{number:,}  {_short(loss.reason)}{' (failed: another try may do)' if loss.failed else ''}"
        for loss, number in step.losses[:_MOST_REASONS]
    ]
    others = step.losses[_MOST_REASONS:]
    if others:
        lines.append(f"{sum(number for _, number in others):,}  for {counted(len(others), 'other reason')}")
    return [line.replace("$", r"\$") for line in lines]


def _short(text: str, most: int = 70) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
