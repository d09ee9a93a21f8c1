"""Prints what TransformerLens finds in a model, in float64, as JSON. Run by the Python of its own environment.

Arguments: a model folder, and JSON with the ids of a clean and a corrupt prompt, an answer and a wrong token, a block
and a head. The weights are converted by TransformerLens' own code, from a model that transformers reads.
"""

import json
import sys

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig, patching
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import GPT2LMHeadModel

KINDS = {
    "resid_pre": patching.get_act_patch_resid_pre,
    "resid_mid": patching.get_act_patch_resid_mid,
    "attn.c_proj": patching.get_act_patch_attn_out,
    "mlp.c_proj": patching.get_act_patch_mlp_out,
}


def hooked(folder, fold):
    """Return the model; with `fold` the weights of the last layer norm are in the unembedding."""
    theirs = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    c = theirs.config
    config = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, d_head=c.n_embd // c.n_head, n_heads=c.n_head,
        d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn=c.activation_function, eps=c.layer_norm_epsilon,
        normalization_type="LN", dtype=torch.float64, device="cpu", default_prepend_bos=False,
    )  # fmt: skip
    model = HookedTransformer(config)
    model.load_and_process_state_dict(
        convert_gpt2_weights(theirs, config), fold_ln=fold, center_writing_weights=False, center_unembed=False,
        fold_value_biases=False,
    )  # fmt: skip
    model.set_use_hook_mlp_in(False)
    return model


def lens(model, cache):
    """Return the logits of every point of the residual stream, by our names."""
    found = {}
    for n in range(model.cfg.n_layers):
        for point in ("resid_pre", "resid_mid", "resid_post"):
            found[f"h.{n}.{point}"] = model.unembed(model.ln_final(cache[point, n]))[0].tolist()
    return found


def contributions(model, ids, token):
    """Return what each part adds to the last logit of a token: theirs by label, and the bias of the unembedding."""
    _, cache = model.run_with_cache(ids)
    stack, labels = cache.get_full_resid_decomposition(expand_neurons=False, pos_slice=-1, return_labels=True)
    shares = cache.logit_attrs(stack, tokens=torch.tensor([token]), pos_slice=-1)[:, 0]
    return dict(zip(labels, shares.tolist(), strict=True)), model.b_U[token].item()


def main(folder, asked):
    """Print everything."""
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)  # the tables of `patching` have it
    model = hooked(folder, fold=False)
    clean, corrupt = (torch.tensor([asked[name]]) for name in ("clean", "corrupt"))
    logits, cache = model.run_with_cache(clean)

    def off(value, hook):
        if hook.name.endswith("hook_z"):
            value[:, :, asked["head"]] = 0.0
            return value
        return torch.zeros_like(value)

    def without(name):
        return model.run_with_hooks(clean, fwd_hooks=[(f"blocks.{asked['layer']}.{name}", off)])[0].tolist()

    def difference(rows):
        return rows[0, -1, asked["answer"]] - rows[0, -1, asked["wrong"]]

    parts, bias = contributions(hooked(folder, fold=True), clean, asked["answer"])
    print(
        json.dumps(
            {
                "logits": logits[0].tolist(),
                "lens": lens(model, cache),
                "contributions": parts,
                "b_U": bias,
                "without_head": without("attn.hook_z"),
                "without_network": without("hook_mlp_out"),
                "patched": {kind: patch(model, corrupt, cache, difference).tolist() for kind, patch in KINDS.items()},
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
