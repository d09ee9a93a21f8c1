"""Errors that a person can act on: one line that says what is wrong and what to do.

The command line prints the message and exits with code 2. Anything else that reaches the user is a defect.
"""


class StarchartError(Exception):
    """Bad input from outside: a file, an option, a prompt."""


class CheckpointError(StarchartError):
    """A checkpoint that is missing, damaged, contradictory or not a GPT-2."""


class NoWeightsError(CheckpointError):
    """A model folder without weights."""


class ConfigError(CheckpointError):
    """A config.json that is missing, malformed or describes something other than a GPT-2."""


class VocabularyError(StarchartError):
    """A vocabulary that is missing, malformed or does not fit the text or the model."""


class NoVocabularyError(VocabularyError):
    """No vocabulary at all, neither in a model's file nor beside it."""


class GenerationError(StarchartError):
    """A setting out of its range, or a prompt that does not fit the model.

    `setting` is the argument that the message names, such as top_k; a command prints its option instead, --top-k.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class RequestError(StarchartError):
    """A question about a run that has no answer: a name, an index or a setting that is not there."""


class TextError(StarchartError):
    """A text that cannot be used: a file that is missing, unreadable, empty or not UTF-8."""


class ScoringError(StarchartError):
    """A setting of scoring that is out of its range."""


class ConversionError(StarchartError):
    """A destination that cannot be written to, or a format that cannot hold the model."""


class PortingError(StarchartError):
    """A folder of golden values that cannot be written, or a name that no value has."""


class ConsumedCacheError(StarchartError):
    """A cache was used a second time. Fork it before its first use."""


class EngineError(StarchartError):
    """An engine that cannot run: too little memory, or one of its processes has ended."""


class TapError(StarchartError):
    """A name or a pattern that no value has, or a value of another shape in the place of one."""


class TrainingError(StarchartError):
    """A training that cannot begin or go on: its text, its settings, its checkpoint, or a loss of NaN or infinity."""
