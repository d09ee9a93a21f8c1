"""Files that nobody vouches for: how they are opened, and how JSON, zip archives and GGUF headers are read."""
