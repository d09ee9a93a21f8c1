"""Models by name: finds them in the Hugging Face cache, or downloads them into it."""
