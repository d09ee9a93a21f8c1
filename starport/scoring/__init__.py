"""Scoring: how well a model predicts texts, as log-likelihood, perplexity and bits per byte."""
