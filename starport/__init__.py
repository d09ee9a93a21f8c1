"""Starport: everything outside the engine. The command line, models by name, and what needs other libraries."""
