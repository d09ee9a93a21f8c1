"""Settings of the whole suite."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.children import heed_interrupts
from tests.tokenizer.gpt2_vocabulary import write_gpt2_vocabulary

heed_interrupts()
# The time of an example depends on the machine more than on the code.
settings.register_profile("starchart", deadline=None)
settings.load_profile("starchart")
# Before torch is imported. The models here are tiny, and threads that wait for each other only slow a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test leaves this machine: without it, every run without --model would ask the hub for gpt2.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_pack_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a pack cache of their own, in this process and in others, and leave the user's unchanged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARCHART_CACHE", str(tmp_path_factory.mktemp("pack-cache")))
        patch.delenv("STARCHART_CACHE_GB", raising=False)
        yield


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with GPT-2's vocab.json and merges.txt, made from the files in the box. No test writes to it."""
    return write_gpt2_vocabulary(tmp_path_factory.mktemp("gpt2-vocabulary"))
