"""Porting: what helps those who write GPT-2 anew, in another language or for another machine."""
