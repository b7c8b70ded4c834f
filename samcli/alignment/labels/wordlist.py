"""The list of words that labels choose from: the words of captions, or a file.

SEA (arXiv 2408.11813) parses the words of the pre-training captions, and adds frequent English words;
list and parser aren't published. Here a word is a run of letters, and words that name nothing are left out.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from samcli.errors import UserError

_WORD = re.compile(r"[^\W\d_]{2,}")
# articles, pronouns, prepositions, conjunctions, auxiliaries and the like: no patch shows one
_NAMELESS = frozenset(
    """
    an the this that these those such some any each every either neither both all few many much more most
    several another other others same own no none not nor only just also too very so than then there here now he
    him his she her hers it its they them their theirs we us our ours you your yours me my mine one ones who
    whom whose which what where when why how something someone anything anyone everything everyone nothing
    nobody itself himself herself themselves of in on at by to from with without within into onto upon over
    under above below up down out off near next beside besides between among behind before after during through
    across along around about against toward towards for as like via per while until since because although
    though if unless whether but and or yet is are was were be been being am has have had having do does did
    doing done can could will would shall should may might must get gets got let lets seem seems appear appears
    """.split()
)


def words_of_texts(texts: Iterable[str], least_count: int) -> tuple[str, ...]:
    """The words that are there at least so many times, the most frequent first, in lower case.

    Raises UserError where there is none.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text.lower()))
    found = [word for word, count in counts.items() if count >= least_count and word not in _NAMELESS]
    if not found:
        raise UserError(f"labels.words: no word is in the data's answers {least_count} times; lower labels.least_count")
    return tuple(sorted(found, key=lambda word: (-counts[word], word)))


def words_of_file(path: Path) -> tuple[str, ...]:
    """The lines of a text file, blank ones left out, each once; raises UserError for one without, or unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"labels.words: {path} can't be read: {reason}; give a text file, a word a line") from error
    words = tuple(dict.fromkeys(filter(None, (line.strip() for line in text.splitlines()))))
    if not words:
        raise UserError(f"labels.words: {path} has no words; give a text file, a word a line")
    return words
