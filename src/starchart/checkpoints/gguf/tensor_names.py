"""GGUF's names of the tensors of a GPT-2.

    wte.weight    token_embd.weight       h.N.ln_1           blk.N.attn_norm      h.N.ln_2          blk.N.ffn_norm
    wpe.weight    position_embd.weight    h.N.attn.c_attn    blk.N.attn_qkv       h.N.mlp.c_fc      blk.N.ffn_up
    ln_f          output_norm             h.N.attn.c_proj    blk.N.attn_output    h.N.mlp.c_proj    blk.N.ffn_down
    lm_head       output

Source: llama.cpp, gguf-py/gguf/constants.py (TENSOR_NAMES) and src/models/gpt2.cpp.
"""

_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "lm_head": "output",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """Return what GGUF calls a tensor that we know as `name`.

    >>> gguf_name("h.11.attn.c_attn.bias"), gguf_name("wte.weight")
    ('blk.11.attn_qkv.bias', 'token_embd.weight')
    """
    layer, _, kind = name.rpartition(".")
    if not layer.startswith("h."):
        return f"{_NAMES[layer]}.{kind}"
    _, block, layer = layer.split(".", 2)
    return f"blk.{block}.{_NAMES[layer]}.{kind}"
