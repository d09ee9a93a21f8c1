"""Types of number, by the names that safetensors has for them, and the bits that one number takes.

Every reader of a format translates its own names into these. Which of them can be weights is for `number_types` to say.
Quantised types, which write numbers in blocks, are not here.
"""

_ONE_BYTE = ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(_ONE_BYTE, 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "C128": 128,
}


def item_bytes(dtype: str) -> int:
    """Return how many bytes a number takes, of a type that takes whole bytes.

    >>> item_bytes("BF16")
    2
    """
    return BITS[dtype] // 8
