"""CRC-32C, the checksum of TensorFlow's files.

Source: RFC 3720, section 12.1 and appendix B.4 (the Castagnoli polynomial, bits reflected). LevelDB stores a checksum
masked, since the checksum of data that holds its own checksum says little; source: its table format, as in `table`.
"""

_POLYNOMIAL = 0x82F63B78  # 1EDC6F41, bits reflected
_MASK = 0xA282EAD8


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = [_remainder(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """Return the checksum of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as it stands in a file: turned right by 15 bits, and a constant added."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
