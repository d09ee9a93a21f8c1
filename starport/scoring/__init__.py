"""How well a model predicts a text: documents, windows over them, log-likelihood."""
