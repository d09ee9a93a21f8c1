"""The components of the proof, in the order in which it goes through them.

Each is a module with a function `checks(model)` that yields Checks; `model` is the folder of a GPT-2. Modules are
imported when their turn comes: each needs other libraries.
"""

COMPONENTS = {
    "utils": "starport.verify.utils",
    "embeddings": "starport.verify.embeddings",
    "layers": "starport.verify.layers",
    "model": "starport.verify.model",
    "engines": "starport.verify.engines",
    "generation": "starport.verify.generation",
    "tokenizer": "starport.verify.tokenizer",
    "published": "starport.verify.published",
    "fingerprints": "starport.verify.fingerprints",
}

# Those whose `checks(model, text)` takes the text of --text too, where there is one.
WITH_TEXT = ("published",)

# Those that read the vocabulary of the model; the others do without.
WITH_VOCABULARY = ("tokenizer", "published", "fingerprints")

# Whose errors stand beside ours.
PEERS = {
    "utils": ("NumPy", "PyTorch", "float32"),
    "embeddings": ("NumPy", "PyTorch"),
    "layers": ("NumPy", "PyTorch", "float32"),
    "model": ("NumPy", "PyTorch", "transformers"),
}

# Which shares of our results stand after those: of Check.shares.
SHARES = {"utils": ("right", "=NumPy", "=PyTorch")}

# What each component compares with, under the names by which it is imported and installed alike.
LIBRARIES = {
    "utils": ("mpmath", "numpy", "torch"),
    "embeddings": ("numpy", "torch"),
    "layers": ("mpmath", "numpy", "safetensors", "torch", "transformers"),
    "model": ("mpmath", "numpy", "safetensors", "torch", "transformers"),
    "engines": ("mpmath", "numpy", "safetensors", "torch"),
    "generation": ("mpmath", "numpy", "safetensors", "torch", "transformers"),
    "tokenizer": ("tiktoken", "tokenizers"),
    "published": (),
    "fingerprints": (),
}
