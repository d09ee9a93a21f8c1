"""The components that `compare` checks, in this order.

Each is a module with a function `checks(model)` that yields Checks; `model` is the folder of a GPT-2. A module is
imported just before its checks, since each needs different libraries.
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

# Components whose `checks(model, text)` takes the file of --text too, if there is one.
WITH_TEXT = ("published",)

# Components that need the vocabulary of the model.
WITH_VOCABULARY = ("tokenizer", "published", "fingerprints")

# The libraries whose errors are printed beside ours.
PEERS = {
    "utils": ("NumPy", "PyTorch", "float32"),
    "embeddings": ("NumPy", "PyTorch"),
    "layers": ("NumPy", "PyTorch", "float32"),
    "model": ("NumPy", "PyTorch", "transformers"),
}

# The shares (of Check.shares) that are printed after them.
SHARES = {"utils": ("right", "=NumPy", "=PyTorch")}

# The libraries that each component compares with. Import and package names are the same.
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
