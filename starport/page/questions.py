"""Questions of many windows, answered one after another in the main thread, where Ctrl-C and the engine's workers are.

A thread of the server hands in a question and passes on what comes back: messages {"progress": [done, of, text]}, and
at last {"answer": {...}}.
"""

import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

Message = dict[str, Any]
Progress = Callable[[int, int, str], None]
Answer = Callable[[Message, Progress], Message]

MOST_WAITING = 64
_PATIENCE = 0.5  # seconds between two looks at whether the window is still there


class _Abandoned(BaseException):  # not an Exception: whatever the explorer catches, this is not
    """Nobody waits for this answer any more."""


class _Question:
    def __init__(self, request: Message) -> None:
        self.request = request
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.abandoned = threading.Event()

    def progress(self, done: int, of: int, text: str) -> None:
        if self.abandoned.is_set():
            raise _Abandoned
        self.messages.put({"progress": [done, of, text]})


class Questions:
    """The questions that wait. `ask` is for the threads of the server, `answer_all` for the main thread."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Question] = queue.Queue(MOST_WAITING)
        self._opening: Message = {"progress": [0, 0, "opening the model"]}

    def opening(self, done: int, of: int, text: str) -> None:
        """Tell the windows that wait how far the model is."""
        self._opening = {"progress": [done, of, text]}

    def ask(self, request: Message) -> Iterator[Message]:
        """Yield the messages that answer `request`; the last one has the answer. Close the iterator to give it up."""
        question = _Question(request)
        try:
            self._waiting.put_nowait(question)
        except queue.Full:
            yield {"answer": {"error": "too many questions are waiting; close some windows and try again"}}
            return
        try:
            while True:
                try:
                    message = question.messages.get(timeout=_PATIENCE)
                except queue.Empty:
                    message = self._opening  # also finds out whether the window is still there
                yield message
                if "answer" in message:
                    return
        finally:
            question.abandoned.set()

    def answer_all(self, answer: Answer) -> None:
        """Answer the questions as they come, for ever: only Ctrl-C and the like end it."""
        self._opening = {"progress": [0, 0, "waiting for another window"]}
        while True:
            try:
                question = self._waiting.get(timeout=_PATIENCE)  # without a timeout Windows would not see Ctrl-C
            except queue.Empty:
                continue
            if not question.abandoned.is_set():
                try:
                    question.messages.put({"answer": answer(question.request, question.progress)})
                except _Abandoned:
                    pass
                except MemoryError:
                    question.messages.put({"answer": {"error": "not enough memory for this; try a shorter prompt"}})
                except Exception as error:  # a mistake of ours must not end the other windows
                    traceback.print_exc()
                    question.messages.put({"answer": {"error": f"this question failed: {type(error).__name__}"}})
