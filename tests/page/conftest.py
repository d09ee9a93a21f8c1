"""A served page of towel and a browser, for each file of tests. PROMPT of the file is the prompt that it opens with."""

import pytest

from tests.page.browser import launched
from tests.page.served import explored
from tests.page.windows import window


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    with launched(tmp_path_factory.mktemp("profile"), viewport={"width": 1280, "height": 900}) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(request):
    with explored(getattr(request.module, "PROMPT", "Once upon a time"), "--model", "towel") as (found, _):
        yield found


@pytest.fixture
def page(context):
    with window(context) as opened:
        yield opened
