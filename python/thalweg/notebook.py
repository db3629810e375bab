"""How models look in notebooks."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable

_PICTURES = ("ramachandran-0", "pairs-0", "losses")


def shown(facts: Iterable[tuple[str, str]], plots: str) -> str:
    """A table of facts, and one of the pictures of the run's report, if there are any."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table><caption>thalweg.Model</caption>{rows}</table>{_picture(plots)}"


def _picture(plots: str) -> str:
    for name in _PICTURES:
        path = os.path.join(plots, name + ".png")
        if os.path.exists(path):
            with open(path, "rb") as file:
                encoded = base64.b64encode(file.read()).decode()
            return f'<img width="500" src="data:image/png;base64,{encoded}">'
    return ""
