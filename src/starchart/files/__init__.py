"""Reading untrusted files: opening them, and JSON, zip archives and GGUF headers."""
