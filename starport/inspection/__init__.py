"""Inspection: what a checkpoint contains, and what is wrong with it."""
