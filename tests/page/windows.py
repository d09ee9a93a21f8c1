"""Windows of the page: opened at a state, and waited for until they show it."""

import json
from contextlib import contextmanager
from urllib.parse import quote

READY = "body[data-state=ready]"


@contextmanager
def window(context, allowed=()):
    """Yield a window. What it complains about on the console fails the test, unless it holds a word of `allowed`."""
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    yield page
    page.close()
    assert [line for line in said if not any(word in line for word in allowed)] == []


def hash_of(prompt, **state):
    """Return the part of an address after # that shows this state."""
    fields = {"prompt": prompt, **state}
    return "#" + "&".join(
        f"{name}={quote(value if isinstance(value, str) else json.dumps(value))}" for name, value in fields.items()
    )


def show(page, address, prompt, **state):
    """Open the page at a state, and wait until it is shown."""
    page.goto("about:blank")
    page.goto(address + hash_of(prompt, **state))
    page.wait_for_selector(READY)


def change_by(page, action):
    """Do something to the page, and wait until its new state is shown."""
    page.evaluate("document.body.dataset.state = 'old'")
    action()
    page.wait_for_selector(READY)
