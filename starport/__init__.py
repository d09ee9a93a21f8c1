"""Starport: where the chart docks with the outside. The command line, and models by name."""
