"""What a format cannot say of a model. Such a model is refused: its file would be that of another one."""

from collections.abc import Mapping
from typing import Any

from starchart.errors import CheckpointError
from starchart.files.json_file import shown
from starchart.model.config import GPT2Config


def refuse_other_values(config: GPT2Config, taken_for_granted: Mapping[str, Any], format_name: str) -> None:
    """Raise CheckpointError unless the configuration has the values that a format takes for granted."""
    for name, value in taken_for_granted.items():
        ours = getattr(config, name)
        if ours != value:
            raise CheckpointError(
                f"this model has {name} {shown(ours)}, and the {format_name} format takes {shown(value)} for granted;"
                " write safetensors, which says what it is"
            )
