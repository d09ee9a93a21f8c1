"""GPT-2's character for each byte, independent of starchart: Latin-1 if printable, else from U+0100 on."""

_PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]

BYTE_CHARACTERS = [chr(byte if byte in _PRINTABLE else 256 + _OTHERS.index(byte)) for byte in range(256)]
# In the order of their ids in GPT-2: its vocabulary starts with these.
IN_ORDER = sorted(BYTE_CHARACTERS)
