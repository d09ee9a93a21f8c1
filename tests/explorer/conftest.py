"""A tiny model of odd sizes, and an explorer of it."""

import pytest

from starport.explorer.explorer import Explorer
from tests.tiny_model import write_tiny_model

PROMPT = "the one on then"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    options = {"tie_word_embeddings": False, "n_inner": 17, "n_head": 2, "n_layer": 3, "n_positions": 40}
    return write_tiny_model(tmp_path_factory.mktemp("explored"), seed=8, **options)


@pytest.fixture(scope="module")
def explorer(folder):
    opened = Explorer(folder, "tiny")
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=[("reference", "full"), ("packed", "full"), ("packed", "fast")], ids="-".join)
def way(request):
    return dict(zip(("engine", "precision"), request.param, strict=True))


@pytest.fixture(scope="module")
def ask(explorer):
    def asked(question, /, **fields):
        answer = explorer.answer({"ask": question, **fields})
        assert "error" not in answer, answer
        return answer

    return asked


@pytest.fixture(scope="module")
def trace(ask, way):
    return ask("trace", prompt=PROMPT, **way)
