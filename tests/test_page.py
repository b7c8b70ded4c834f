"""The skeleton that all pages share, filled."""

import json
import re
from html.parser import HTMLParser

import pytest

from samcli.page.html_page import html_page

PACKAGES = ["samcli.evaluation.report", "samcli.evaluation.alignment", "samcli.synth.look"]
EVIL = "</script><!--</style> $data ${script} $$ \u2028"


class Parts(HTMLParser):
    """The names of a page's elements, those it leaves open, and the text of each, by its name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


@pytest.mark.parametrize("package", PACKAGES)
def test_pages_are_whole_and_no_data_gets_out(package: str) -> None:
    parts = Parts(html_page(package, {"text": EVIL}, title="<b>", images="data:"))
    assert not parts.open
    assert [parts.names.count(name) for name in ("title", "style", "main", "script")] == [1, 1, 1, 2]
    assert parts.texts["title"] == ["<b>"]
    assert json.loads(parts.texts["script"][0]) == {"text": EVIL}


@pytest.mark.parametrize("images", ["data:", "'self' file:"])
def test_pages_load_nothing_but_images_from_where_they_may(images: str) -> None:
    page = html_page(PACKAGES[0], {}, title="", images=images)
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert found is not None
    assert dict(rule.split(" ", 1) for rule in found[1].split("; ")) == {
        "default-src": "'none'",
        "img-src": images,
        "style-src": "'unsafe-inline'",
        "script-src": "'unsafe-inline'",
    }


def test_a_packages_style_comes_after_the_common_one() -> None:
    style = Parts(html_page("samcli.synth.look", {}, title="", images="data:")).texts["style"][0]
    assert style.index("max-width: 80rem") < style.index("max-width: 88rem")
