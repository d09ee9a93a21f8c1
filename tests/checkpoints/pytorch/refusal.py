"""What a refusal must be."""

import pytest

from starchart.checkpoints.pytorch.reader import open_pytorch
from starchart.errors import CheckpointError
from tests.checkpoints.pytorch.handmade import archive, legacy
from tests.checkpoints.raw_file import write

WRAPPED = {"zip": archive, "older": legacy}
every_format = pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)


def message_of(folder, data):
    path = write(folder, data, "pytorch_model.bin")
    with pytest.raises(CheckpointError) as caught:
        open_pytorch(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 700 + len(str(path))
    return message
