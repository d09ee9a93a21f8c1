"""GPT-2's alphabet: a visible character for each of the 256 bytes, so that tokens can be written in a text file.

A byte that is a printable character of Latin-1 stands for itself. The other 68 (controls, the space, the no-break
space, the soft hyphen) take the code points from 256 up, in their order: the space, byte 0x20, becomes "\u0120".

Source: Radford et al. 2019, section 2.2 (byte-level BPE); the characters are those of OpenAI's published encoder.
"""

_PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]

ALPHABET: list[str] = [chr(byte if byte in _PRINTABLE else 256 + _OTHERS.index(byte)) for byte in range(256)]

_BYTE = {character: byte for byte, character in enumerate(ALPHABET)}


def to_alphabet(data: bytes) -> str:
    r"""Return one character of the alphabet for each byte.

    >>> to_alphabet(" caf\u00e9".encode()) == "\u0120caf\u00c3\u00a9"
    True
    """
    return "".join([ALPHABET[byte] for byte in data])


def from_alphabet(token: str) -> bytes:
    r"""Return the bytes that a token of the vocabulary stands for.

    Raises KeyError for a character that is not in the alphabet.

    >>> from_alphabet("\u0120star")
    b' star'
    """
    return bytes([_BYTE[character] for character in token])
