"""Engines that stand on libraries: the same operations, over somebody else's fast arrays."""
