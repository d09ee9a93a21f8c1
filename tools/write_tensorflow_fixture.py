"""Writes the checkpoints in tests/checkpoints/tensorflow/fixtures: by TensorFlow itself, so that the tests need none.

    python -m tools.write_tensorflow_fixture     with tensorflow-cpu 2.21.0 installed, in an environment of its own

openai       a tiny GPT-2 as OpenAI published the large ones: variables, hparams.json, encoder.json, vocab.bpe
training     two data files, several types, one head, a step counter and an optimizer's slots
sliced       a variable that was partitioned
logits.json  the logits of `openai` and `training` as TensorFlow computes them in float64 from what it reads back

The numbers are those of tests/tiny_model.py, seeds 1 and 2, so the tests can compare every one of them.
"""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.tiny_model import DEFAULTS, tiny_tensors, write_vocabulary

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "checkpoints" / "tensorflow" / "fixtures"
OPENAI = {"n_vocab": 261, "n_ctx": 7, "n_embd": 12, "n_head": 3, "n_layer": 2}
TRAINING = {"n_vocab": 9, "n_ctx": 5, "n_embd": 3, "n_head": 1, "n_layer": 1}
IDS = {"openai": [72, 260, 5, 5, 131, 0, 9], "training": [8]}
v1 = tf.compat.v1


def variables(hparams: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Return the tensors of a tiny model as OpenAI's code names and shapes them."""
    sizes = {"vocab_size": hparams["n_vocab"], "n_positions": hparams["n_ctx"]}
    sizes |= {name: hparams[name] for name in ("n_embd", "n_head", "n_layer")}
    found = {}
    for name, (shape, numbers) in tiny_tensors(DEFAULTS | sizes, seed, prefix="").items():
        values = np.array(numbers, dtype=np.float32).reshape(shape)
        path = "model/" + re.sub(r"^h\.", "h", name).replace(".", "/")
        if "/c_" in path and path.endswith("weight"):
            path, values = path.removesuffix("weight") + "w", values[None]
        path = path.replace("wte/weight", "wte").replace("wpe/weight", "wpe")
        found[re.sub("weight$", "g", re.sub("bias$", "b", path))] = values
    return found


def logits(folder: Path, hparams: dict[str, int], ids: list[int]) -> list[list[float]]:  # [T][V]
    """Return what TensorFlow computes in float64 from the checkpoint, as TensorFlow reads it."""
    reader = tf.train.load_checkpoint(str(folder / "model.ckpt"))

    def get(name: str) -> Any:
        return tf.cast(reader.get_tensor(f"model/{name}"), tf.float64)

    def norm(x: Any, name: str) -> Any:
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-5) * get(f"{name}/g") + get(f"{name}/b")

    def conv(x: Any, name: str) -> Any:
        return tf.nn.conv1d(x[None], get(f"{name}/w"), stride=1, padding="VALID")[0] + get(f"{name}/b")

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def attention(x: Any, name: str) -> Any:
        parts = tf.split(conv(x, f"{name}/c_attn"), 3, axis=-1)
        q, k, v = (tf.stack(tf.split(part, hparams["n_head"], axis=-1)) for part in parts)
        scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(hparams["n_embd"] / hparams["n_head"])
        hidden = tf.linalg.band_part(tf.ones([len(ids), len(ids)], tf.float64), -1, 0) - 1
        heads = tf.matmul(tf.nn.softmax(scores + 1e10 * hidden), v)
        return conv(tf.concat(tf.unstack(heads), axis=-1), f"{name}/c_proj")

    x = tf.gather(get("wte"), ids) + get("wpe")[: len(ids)]
    for block in range(hparams["n_layer"]):
        x += attention(norm(x, f"h{block}/ln_1"), f"h{block}/attn")
        x += conv(gelu(conv(norm(x, f"h{block}/ln_2"), f"h{block}/mlp/c_fc")), f"h{block}/mlp/c_proj")
    return tf.matmul(norm(x, "ln_f"), get("wte"), transpose_b=True).numpy().tolist()


def write_openai(folder: Path) -> None:
    """Write a checkpoint with a Saver, in the order and the files of OpenAI's."""
    with tf.Graph().as_default(), v1.Session() as session:
        for name, values in variables(OPENAI, seed=1).items():
            v1.get_variable(name, initializer=values)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"), write_meta_graph=False)
    (folder / "hparams.json").write_text(json.dumps(OPENAI))
    write_vocabulary(folder)
    (folder / "vocab.json").rename(folder / "encoder.json")
    (folder / "merges.txt").rename(folder / "vocab.bpe")


def write_training(folder: Path) -> None:
    """Write a checkpoint that two machines saved and TensorFlow merged."""
    dtypes = [tf.float32, tf.float64, tf.bfloat16, tf.float16]
    tensors = {
        name: tf.cast(values, dtypes[n % 4]) for n, (name, values) in enumerate(variables(TRAINING, seed=2).items())
    }
    slots = {f"{name}/{slot}": values + 1 for name, values in tensors.items() for slot in ("Adam", "Adam_1")}
    others = {"global_step": tf.constant(1234, tf.int64), "beta1_power": tf.constant(0.9), "note": tf.constant("a b")}
    everything = tensors | slots | others
    prefixes = [str(folder / name) for name in ("first", "second")]
    for n, prefix in enumerate(prefixes):
        names = list(everything)[n::2]
        values = [everything[name] for name in names]
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)
    destination = str(folder / "model.ckpt")
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=prefixes, destination_prefix=destination)
    (folder / "hparams.json").write_text(json.dumps(TRAINING))


def write_sliced(folder: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.disable_resource_variables()
        v1.get_variable("model/wte", shape=[6, 2], partitioner=v1.fixed_size_partitioner(2))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"), write_meta_graph=False)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    for write in (write_openai, write_training, write_sliced):
        folder = FOLDER / write.__name__.removeprefix("write_")
        folder.mkdir(parents=True)
        write(folder)
        (folder / "checkpoint").unlink(missing_ok=True)
    computed = {
        name: {"ids": IDS[name], "logits": logits(FOLDER / name, hparams, IDS[name])}
        for name, hparams in (("openai", OPENAI), ("training", TRAINING))
    }
    (FOLDER / "logits.json").write_text(json.dumps({"tensorflow": tf.__version__, **computed}))


if __name__ == "__main__":
    main()
