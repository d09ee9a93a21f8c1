"""Mistakes that a programmer could make in GPT-2, one at a time: a file, a text in it, and its replacement."""

# ruff: noqa: E501  a text of the source stands here as it stands there

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One break. `old` is in the file exactly once; `component` is the part of compare.py that must detect it."""

    name: str
    component: str
    file: str  # below src/starchart, without .py
    old: str
    new: str


MUTANTS = [
    # utils: operations on plain numbers
    Mutant("GELU by erf for gelu_new", "utils", "utils/activations", '"gelu_new": gelu_new', '"gelu_new": gelu'),
    Mutant("0.044715 off in the 6th digit", "utils", "utils/gelu", "x + 0.044715 *", "x + 0.044716 *"),
    Mutant("sqrt(2/pi) off in the 6th digit", "utils", "utils/gelu", "0.7978845608028654", "0.7978855608028654"),
    Mutant("x^2 for x^3 in GELU", "utils", "utils/gelu", "(x * x * x)", "(x * x)"),
    Mutant(
        "variance over n-1",
        "utils",
        "utils/layer_norm",
        "/ len(centred)",
        "/ max(1, len(centred) - 1)",
    ),
    Mutant(
        "epsilon left out",
        "utils",
        "utils/layer_norm",
        "deviation = sqrt(variance + epsilon)",
        "deviation = sqrt(variance)",
    ),
    Mutant(
        "epsilon outside the root",
        "utils",
        "utils/layer_norm",
        "deviation = sqrt(variance + epsilon)",
        "deviation = sqrt(variance) + epsilon",
    ),
    Mutant(
        "the mean taken out once", "utils", "utils/layer_norm", "_remove_mean(_remove_mean(row))", "_remove_mean(row)"
    ),
    Mutant("beta dropped", "utils", "utils/layer_norm", "* w + b for", "* w for"),
    Mutant("gamma dropped", "utils", "utils/layer_norm", "/ deviation * w + b", "/ deviation + b"),
    Mutant("softmax without the shift", "utils", "utils/softmax", "exp(score - largest)", "exp(score)"),
    Mutant("no mask", "utils", "utils/masked_softmax", "len(row) - rows + t + 1)", "len(row))"),
    Mutant(
        "mask off by one",
        "utils",
        "utils/masked_softmax",
        "len(row) - rows + t + 1)",
        "min(len(row), len(row) - rows + t + 2))",
    ),
    Mutant("mask without the cache", "utils", "utils/masked_softmax", "len(row) - rows + t + 1)", "t + 1)"),
    Mutant("sums by sum()", "utils", "utils/exact_sum", "return fsum(values)", "return float(sum(values))"),
    Mutant(
        "a coefficient of exp",
        "utils",
        "utils/elementary/exp",
        "r * (1 / 6 + r * (1 / 24))",
        "r * (1 / 6 + r * (1 / 20))",
    ),
    Mutant(
        "the low parts of exp's table left out",
        "utils",
        "utils/elementary/exp",
        "high, low = _ROOTS[k & 1023]",
        "high, low = _ROOTS[k & 1023][0], 0.0",
    ),
    Mutant(
        "SiLU: the exponent off in the 7th digit", "utils", "utils/silu", "1.0 + exp(-x)", "1.0 + exp(-x * 1.000001)"
    ),
    Mutant(
        "transpose by rows",
        "utils",
        "utils/transpose_matrix",
        "[list(column) for column in zip(*matrix, strict=True)]",
        "[[v for row in matrix for v in row][n * len(matrix) : (n + 1) * len(matrix)] for n in range(len(matrix[0]))]",
    ),
    # embeddings
    Mutant(
        "positions from 1",
        "embeddings",
        "embeddings/input_embeddings",
        "range(first_position, first_position + len(ids))",
        "range(first_position + 1, first_position + 1 + len(ids))",
    ),
    Mutant(
        "positions from 0 after a cache",
        "embeddings",
        "embeddings/input_embeddings",
        "range(first_position, first_position + len(ids))",
        "range(len(ids))",
    ),
    Mutant(
        "no positions", "embeddings", "embeddings/input_embeddings", "return ops.add(tokens, places)", "return tokens"
    ),
    Mutant(
        "the row of the next id",
        "embeddings",
        "embeddings/embedding_lookup",
        "list(table[index])",
        "list(table[index - 1])",
    ),
    Mutant(
        "the first logits for the last",
        "embeddings",
        "embeddings/output_projection",
        "x[-1:] if last_only",
        "x[:1] if last_only",
    ),
    # layers
    Mutant(
        "q and k swapped",
        "layers",
        "layers/scaled_dot_product_attention",
        'tap("q", heads[:n_head])\n    keys = tap("k", heads[n_head : 2 * n_head])',
        'tap("q", heads[n_head : 2 * n_head])\n    keys = tap("k", heads[:n_head])',
    ),
    Mutant(
        "k and v swapped",
        "layers",
        "layers/scaled_dot_product_attention",
        "cache.append(keys, values)",
        "cache.append(values, keys)",
    ),
    Mutant(
        "heads interleaved",
        "layers",
        "layers/scaled_dot_product_attention",
        "list(row[start : start + size]) for row in x] for start in range(0, n_head * size, size)",
        "list(row[start::n_head]) for row in x] for start in range(n_head)",
    ),
    Mutant(
        "heads joined in reverse",
        "layers",
        "layers/scaled_dot_product_attention",
        "zip(*heads, strict=True)",
        "zip(*reversed(heads), strict=True)",
    ),
    Mutant("1/sqrt(D) missing", "layers", "layers/scaled_dot_product_attention", "scale * product", "product"),
    Mutant(
        "a stale cache",
        "layers",
        "layers/key_value_cache",
        'array("d", row) for row in new_rows',
        'array("d", (rows or new_rows)[0]) for row in new_rows',
    ),
    Mutant(
        "the cache in reverse",
        "layers",
        "layers/key_value_cache",
        "for row in new_rows)",
        "for row in reversed(new_rows))",
    ),
    Mutant(
        "the cache in single precision",
        "layers",
        "layers/key_value_cache",
        'array("d", row)',
        'array("f", row)',
    ),
    Mutant(
        "a bias dropped",
        "layers",
        "layers/linear_layer",
        "add_vectors(row, bias)",
        "add_vectors(row, [0.0] * len(bias))",
    ),
    Mutant(
        "the bias of c_proj dropped",
        "layers",
        "layers/multi_head_attention",
        "weights.c_proj.bias)), cache",
        "[0.0] * len(weights.c_proj.bias))), cache",
    ),
    Mutant("no activation", "layers", "layers/feed_forward", "ops.activation(hidden, activation)", "hidden"),
    Mutant(
        "post-norm",
        "layers",
        "layers/transformer_block",
        'normed = tap("ln_1", ops.layer_norm(x, w.ln_1.weight, w.ln_1.bias, s.layer_norm_epsilon))\n    attended, cache = multi_head_attention(normed,',
        'normed = tap("ln_1", ops.layer_norm(x, w.ln_1.weight, w.ln_1.bias, s.layer_norm_epsilon))\n    attended, cache = multi_head_attention(x,',
    ),
    Mutant(
        "ln_1 used twice",
        "layers",
        "layers/transformer_block",
        "ops.layer_norm(x, w.ln_2.weight, w.ln_2.bias",
        "ops.layer_norm(x, w.ln_1.weight, w.ln_1.bias",
    ),
    Mutant("no residual around attention", "layers", "layers/transformer_block", "ops.add(x, attended)", "attended"),
    Mutant(
        "residual taken after ln_2",
        "layers",
        "layers/transformer_block",
        "x = ops.add(x, feed_forward(",
        "x = ops.add(normed, feed_forward(",
    ),
    # model
    Mutant(
        "no last layer norm",
        "model",
        "model/gpt_model",
        'x = tap("ln_f", ops.layer_norm(x, weights.ln_f.weight, weights.ln_f.bias, config.layer_norm_epsilon))',
        'x = tap("ln_f", x)',
    ),
    Mutant("Conv1D transposed", "model", "engines/reference", "rows_of(matrix)", "list(zip(*rows_of(matrix)))"),
    Mutant(
        "epsilon 1e-6",
        "model",
        "model/gpt_decoder",
        "config.activation_function, config.layer_norm_epsilon",
        "config.activation_function, 1e-6",
    ),
    Mutant(
        "1/D for 1/sqrt(D)",
        "model",
        "model/config",
        "1 / sqrt(self.n_embd // self.n_head)",
        "1 / (self.n_embd // self.n_head)",
    ),
    Mutant(
        "1/sqrt(C) for 1/sqrt(D)",
        "model",
        "model/config",
        "1 / sqrt(self.n_embd // self.n_head)",
        "1 / sqrt(self.n_embd)",
    ),
    Mutant(
        "blocks in reverse",
        "model",
        "model/gpt_decoder",
        "enumerate(zip(blocks, caches, strict=True))",
        "enumerate(zip(blocks[::-1], caches, strict=True))",
    ),
    Mutant(
        "the tied head instead of its own",
        "model",
        "model/gpt_model",
        "(weights.lm_head or weights.wte).weight",
        "weights.wte.weight",
    ),
    Mutant(
        "block numbers from 0 in the scale", "model", "model/config", "scale / (layer + 1)", "scale / max(1, layer)"
    ),
    Mutant(
        "float16: a bit of the mantissa lost",
        "model",
        "checkpoints/numbers/half_precision",
        "(low >> 3 for low",
        "(low >> 4 << 1 for low",
    ),
    # engines: in the packed engine only, so that no other component can detect them
    Mutant(
        "packed: a lane's sign lost",
        "engines",
        "engines/packed/arithmetic/attention_cache",
        "^ columns << (lanes.width - 1)",
        "^ columns << (lanes.width - 2)",
    ),
    Mutant(
        "packed: the 128th key too large",
        "engines",
        "engines/packed/arithmetic/attention_cache",
        "if lane == _POSITIONS - 1:",
        "if lane == _POSITIONS - 1:\n            self._key_scales[-1] *= 1.01",
    ),
    Mutant(
        "packed: a fork shares its keys",
        "engines",
        "engines/packed/arithmetic/attention_cache",
        "other._values = list(self._values)",
        "other._values = self._values",
    ),
    Mutant(
        "packed: weights of 18 bits",
        "engines",
        "engines/packed/arithmetic/lanes",
        'FULL = Precision("full", (Lanes(52, 25)',
        'FULL = Precision("full", (Lanes(40, 18)',
    ),
    Mutant(
        "packed: pruning drops too much",
        "engines",
        "engines/packed/arithmetic/candidate_pruning",
        "lowest = nlargest(query.count,",
        "lowest = nlargest(1,",
    ),
    Mutant(
        "packed: 1/sqrt(D) missing",
        "engines",
        "engines/packed/arithmetic/attention_cache",
        "unit = scale * ldexp(1.0, -exponent)",
        "unit = ldexp(1.0, -exponent)",
    ),
    # generation
    Mutant(
        "top-p off by one",
        "generation",
        "generation/logits_filters",
        "        kept.append(token)\n        left -= weights[token]\n        if float32(left / total) <= removed:\n            break\n",
        "        left -= weights[token]\n        if float32(left / total) <= removed:\n            break\n        kept.append(token)\n",
    ),
    Mutant(
        "top-k keeps one fewer",
        "generation",
        "generation/logits_filters",
        "if logit >= smallest_kept",
        "if logit > smallest_kept",
    ),
    Mutant(
        "top-k keeps one more",
        "generation",
        "generation/logits_filters",
        "nlargest(k, logits)[-1]",
        "nlargest(k + 1, logits)[-1]",
    ),
    Mutant(
        "temperature ignored",
        "generation",
        "generation/sampling",
        "row = divide_by_temperature(row, settings.temperature)",
        "pass",
    ),
    Mutant(
        "times the temperature", "generation", "generation/logits_filters", "logit / divisor for", "logit * divisor for"
    ),
    Mutant(
        "top-p of more than 0.5 ignored",
        "generation",
        "generation/sampling",
        "if settings.top_p < 1:",
        "if settings.top_p < 0.5:",
    ),
    Mutant(
        "the last token to arrive wins, not the first",
        "generation",
        "generation/exponential_race",
        "return max(contenders, key=score)",
        "return min(contenders, key=score)",
    ),
    Mutant(
        "one random word for each token, not two",
        "generation",
        "generation/exponential_race",
        "bits = generator.bits(2 * count)",
        "bits = generator.bits(count) << 32 * count",
    ),
    Mutant(
        "the two random words swapped",
        "generation",
        "generation/exponential_race",
        "((high & 0x1FFFFF) << 32 | low)",
        "((low & 0x1FFFFF) << 32 | high)",
    ),
    Mutant(
        "Python's seeding",
        "generation",
        "generation/torch_random",
        "self._random.setstate((3, (*_initial_state(seed & 0xFFFFFFFF), STATE_WORDS), None))",
        "self._random.seed(seed)",
    ),
    Mutant(
        "the token read twice",
        "generation",
        "generation/generate",
        "else read([token], cache)",
        "else read([token, token], cache)",
    ),
    Mutant(
        "the end-of-text token ignored",
        "generation",
        "generation/generate",
        "if token in limits.end_of_text:",
        "if token in limits.end_of_text[:1]:",
    ),
    Mutant(
        "slides to the first half",
        "generation",
        "generation/generate",
        "text[-max(1, limits.n_positions // 2) :]",
        "text[: max(1, limits.n_positions // 2)]",
    ),
    # tokenizer
    Mutant(
        "merge ranks off by one",
        "tokenizer",
        "tokenizer/byte_pair_encoding",
        "ids[at : at + 2] = [merged[lowest]]",
        "ids[at : at + 2] = [merged[lowest - 1]]",
    ),
    Mutant(
        "the last lowest merge, not the first",
        "tokenizer",
        "tokenizer/byte_pair_encoding",
        "at = found.index(lowest)",
        "at = len(found) - 1 - found[::-1].index(lowest)",
    ),
    Mutant(
        "merges in any order",
        "tokenizer",
        "tokenizer/byte_pair_encoding",
        "(lowest := min(found)) != _NO_RANK",
        "(lowest := next((r for r in found if r != _NO_RANK), _NO_RANK)) != _NO_RANK",
    ),
    Mutant(
        "a heap that ignores what changed",
        "tokenizer",
        "tokenizer/byte_pair_encoding",
        "if before >= 0 and (pair",
        "if before > 0 and (pair",
    ),
    Mutant(
        "contractions in capitals",
        "tokenizer",
        "tokenizer/pre_tokenizer",
        "compile(f\"'(?:[sdmt]|",
        "compile(f\"'(?:[sdmtSDMT]|",
    ),
    Mutant(
        "no look-ahead after white space",
        "tokenizer",
        "tokenizer/pre_tokenizer",
        "[{_S}]+(?![^{_S}])|[{_S}]+",
        "[{_S}]+",
    ),
    Mutant("Python's white space", "tokenizer", "tokenizer/characters", "9-D 20 85 A0", "9-D 1C-1F 20 85 A0"),
    Mutant(
        "special tokens always allowed", "tokenizer", "tokenizer/tokenizer", "if not allow_special or not", "if not"
    ),
]
