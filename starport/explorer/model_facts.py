"""What is known of a model before anything is run: its sizes, its values and where each comes from, its weights."""

from typing import Any

from starport.explorer.question import Question
from starport.explorer.values import MOST_NUMBERS


def model_facts(question: Question) -> dict[str, Any]:
    """Return the answer to `model`."""
    model = question.model
    config, end = model.config, model.tokens.tokenizer.end_of_text
    names = ("n_layer", "n_head", "n_embd", "vocab_size", "n_positions", "activation_function", "layer_norm_epsilon")
    return {
        "name": model.name,
        "config": {
            **{name: getattr(config, name) for name in names},
            "n_inner": config.feed_forward_width,
            "tied": "lm_head.weight" not in model.weights,
        },
        "letters": model.letters,
        "parameters": model.parameters,
        "end_of_text": None if end is None else model.tokens.token(end),
        "engines": [{"engine": engine, "precision": precision} for engine, precision in model.ways],
        "values": [
            {
                "name": value.name,
                "shape": list(value.shape),
                "operation": value.operation.name,
                "inputs": list(value.inputs),
                "weights": list(value.weights),
                "text": value.meaning,
            }
            for value in model.graph.values()
        ],
        "weights": [{"name": name, "shape": list(tensor.shape)} for name, tensor in model.weights.tensors.items()],
        "most_numbers": MOST_NUMBERS,
    }
