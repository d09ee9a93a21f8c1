"""Names of tensors in GGUF, and Hugging Face's names for them.

    token_embd.weight       wte.weight              blk.N.attn_norm         h.N.ln_1
    position_embd.weight    wpe.weight              blk.N.attn_qkv          h.N.attn.c_attn      [out][in] in the file
    output_norm             ln_f                    blk.N.attn_output       h.N.attn.c_proj      [out][in]
    output.weight           lm_head.weight          blk.N.ffn_norm          h.N.ln_2
                                                    blk.N.ffn_up            h.N.mlp.c_fc         [out][in]
                                                    blk.N.ffn_down          h.N.mlp.c_proj       [out][in]

Source: llama.cpp, gguf-py/gguf/tensor_mapping.py, and conversion/gpt2.py for the transposed ones.
"""

import re

_BLOCK_NAME = re.compile(r"blk\.([0-9]+)\.(\w+)\.(weight|bias)")
_PARTS = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_OUTSIDE = {
    "token_embd.weight": "wte.weight",
    "position_embd.weight": "wpe.weight",
    "output_norm.weight": "ln_f.weight",
    "output_norm.bias": "ln_f.bias",
    "output.weight": "lm_head.weight",
}
_GGUF_PARTS = {ours: theirs for theirs, ours in _PARTS.items()}
_GGUF_OUTSIDE = {ours: theirs for theirs, ours in _OUTSIDE.items()}


def hugging_face_name(name: str) -> str:
    """Return Hugging Face's name of a tensor; if it has none, `name` after "gguf:".

    >>> hugging_face_name("blk.3.ffn_up.bias")
    'h.3.mlp.c_fc.bias'
    """
    match = _BLOCK_NAME.fullmatch(name)
    if match and match[2] in _PARTS:
        return f"h.{match[1]}.{_PARTS[match[2]]}.{match[3]}"
    return _OUTSIDE.get(name, f"gguf:{name}")  # `name` alone could be Hugging Face's name of another tensor


def gguf_name(name: str) -> str:
    """Return GGUF's name of a tensor of a GPT-2, from Hugging Face's `name`.

    >>> gguf_name("h.11.attn.c_attn.bias"), gguf_name("wte.weight")
    ('blk.11.attn_qkv.bias', 'token_embd.weight')
    """
    if name in _GGUF_OUTSIDE:
        return _GGUF_OUTSIDE[name]
    _, block, layer = name.split(".", 2)
    part, _, kind = layer.rpartition(".")
    return f"blk.{block}.{_GGUF_PARTS[part]}.{kind}"
