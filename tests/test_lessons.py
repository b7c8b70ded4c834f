"""What the small LLM reads before it sees: every word it will be asked with, but no question that links pictures."""

import random
import re
from itertools import combinations, pairwise

import pytest

from samcli.synth.world import instructions
from samcli.synth.world.lessons import SLOTS, Lesson, draw_lesson
from samcli.synth.world.tasks import NAMES
from samcli.training.small.language import cheapest_cuts


def draw_lessons(count: int) -> list[Lesson]:
    rng = random.Random(0)
    return [draw_lesson(rng, lambda _thing: True) for _ in range(count)]


LESSONS = draw_lessons(4000)


def words_of(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", "", text))}


def test_every_word_of_the_instructions_was_read_before() -> None:
    pools = [*instructions.LINKING.values(), instructions.LINKING_ANSWERS]
    pools += [instructions.LINKING_GROUPS, instructions.LINKING_GROUPS_ANSWERS]
    pools += [instructions.GROUPS, instructions.STORIES, instructions.CHANGES]
    asked = words_of(*(text for pool in pools for text in pool))
    read = words_of(*(f"{lesson.question} {lesson.answer}" for lesson in LESSONS))
    assert asked - read == set()


def test_a_lesson_is_counted_with_its_task_however_it_is_worded() -> None:
    worded = {lesson.question for lesson in LESSONS if lesson.task == "both"}
    assert {"both" in question for question in worded} == {True, False}
    assert {lesson.task for lesson in LESSONS} == {"single", "both", "common", "changed", "told"}


def test_no_instruction_is_a_lesson() -> None:
    asked = {text for pool in instructions.LINKING.values() for text in pool}
    assert asked.isdisjoint(lesson.question for lesson in LESSONS)


def test_lessons_that_link_lists_never_call_them_pictures() -> None:
    linking = [lesson for lesson in LESSONS if lesson.task != "single"]
    assert len(linking) > len(LESSONS) / 3
    assert not [lesson for lesson in linking if "picture" in f"{lesson.question} {lesson.answer}"]


def test_a_question_about_pictures_names_one_of_them_when_there_are_several() -> None:
    about = [lesson for lesson in LESSONS if "picture" in lesson.question and len(lesson.lists) > 1]
    assert len(about) > 100
    assert all(re.search(r"the (first|second|third) picture\b", lesson.question) for lesson in about)


def test_lists_have_their_places_and_stories_their_names() -> None:
    assert all(len(words) == SLOTS for lesson in LESSONS for words in lesson.lists)
    stories = [lesson for lesson in LESSONS if "Caption#1:" in lesson.question]
    assert stories
    assert all(words_of(lesson.answer) & set(NAMES) for lesson in stories)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_cuts_add_the_least_padding_of_all(parts: int) -> None:
    lengths = [3, 3, 4, 4, 5, 9, 30]

    def cost(cuts: list[int]) -> int:
        return sum((end - start) * lengths[end - 1] for start, end in pairwise(cuts))

    found = cheapest_cuts(lengths, parts)
    others = [[0, *inner, 7] for inner in combinations(range(1, 7), parts - 1)]
    assert found in others
    assert cost(found) == min(cost(other) for other in others)


def test_fewer_rows_than_parts_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 rows can't be cut into 3 parts"):
        cheapest_cuts([1, 2], 3)
