"""SAM: semantic alignment for multimodal large language models.

`from samcli import load_model`, then `model.caption(images, prompt)`.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]

if TYPE_CHECKING:
    from samcli.model.load import load_model


def __getattr__(name: str) -> Any:
    """Import torch and transformers only when the model is asked for."""
    if name == "load_model":
        from samcli.model.load import load_model

        return load_model
    raise AttributeError(f"module 'samcli' has no attribute {name!r}")
