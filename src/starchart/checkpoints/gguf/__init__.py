"""GGUF: the format of ggml and llama.cpp. One file with the weights, the configuration and the vocabulary."""
