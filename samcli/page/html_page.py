"""A page of one file, from the skeleton and from a package's own `body.html`, `page.css` and `page.js`."""

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any


def html_page(package: str, data: Mapping[str, Any], *, title: str, images: str) -> str:
    """The page of a package, filled; in the data nothing can end the element that holds it.

    Args:
        package: Holds `body.html` (what `main` has inside), `page.css` (comes after `common.css`) and `page.js`.
        data: What the script reads, as JSON.
        title: Of the window, until the script sets another.
        images: Sources that the browser may load images from, as in `img-src` of a Content-Security-Policy. The page
            may load nothing else.
    """
    common, own = files("samcli.page"), files(package)
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return Template(common.joinpath("skeleton.html").read_text("utf-8")).substitute(
        images=images,
        title=escape(title),
        style=common.joinpath("common.css").read_text("utf-8") + own.joinpath("page.css").read_text("utf-8"),
        body=own.joinpath("body.html").read_text("utf-8"),
        data=text,
        script=own.joinpath("page.js").read_text("utf-8"),
    )
