"""Conversion: writes a model in another checkpoint format."""
