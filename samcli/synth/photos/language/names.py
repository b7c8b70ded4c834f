"""How a recipe names who writes: what is shipped, the model of an endpoint, or one that is loaded here."""

LIST, TEMPLATE = "list", "template"
API = "api:"


def is_local(writer: str) -> bool:
    """Whether a writer is a language model that is loaded here: a directory or a hub id."""
    return writer not in (LIST, TEMPLATE) and not writer.startswith(API)
