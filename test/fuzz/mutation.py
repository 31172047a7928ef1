"""Change bytes at random as those who break files do: for machines without atheris, and beside it."""

import random
from typing import Literal

_ODD = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
]
"""Numbers at which programs that count go wrong."""

LONGEST = 2**18
"""Inputs do not grow above this."""


def mutated(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """
    Return `data` with one to eight changes.

    Args:
        data: any bytes.
        chance: source of chance.
        others: inputs whose pieces may be put in.

    """
    changed = bytearray(data)
    for _ in range(1 << chance.randrange(4)):
        if not changed:
            changed += bytes(chance.randrange(64))
        _CHANGES[chance.randrange(len(_CHANGES))](changed, chance, others)
    return bytes(changed[:LONGEST])


def _at(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _flip(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 0xFF, chance.randrange(256)))


def _number(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """Write a number that is odd, or a little off the one that is there."""
    size = chance.choice((1, 2, 4, 8))
    order: Literal['little', 'big'] = chance.choice(('little', 'big'))
    at = _at(data, chance)
    there = int.from_bytes(data[at : at + size], order)
    value = chance.choice((chance.choice(_ODD), there + chance.randint(-8, 8), there * 2))
    data[at : at + size] = (value % 256**size).to_bytes(size, order)


def _cut(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    at = _at(data, chance)
    del data[at : at + chance.choice((1, 4, 8, chance.randrange(64), len(data)))]


def _insert(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    at = _at(data, chance)
    data[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 16))))


def _repeat(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    at, length = _at(data, chance), chance.randrange(1, 64)
    data[at:at] = data[at : at + length] * chance.choice((1, 2, 50))


def _graft(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """Put a piece of another input in, or over what is there."""
    other = chance.choice(others) if others else b''
    begin = chance.randrange(len(other) + 1)
    piece = other[begin : begin + chance.randrange(1, 256)]
    at = _at(data, chance)
    data[at : at + chance.choice((0, len(piece)))] = piece


def _digits(data: bytearray, chance: random.Random, others: list[bytes]) -> None:
    """Write another number where one stands as text."""
    places = [at for at, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if places:
        at = chance.choice(places)
        data[at : at + 1] = str(chance.choice((*_ODD, -1, 1e400, '~', '[]'))).encode()


_CHANGES = (_flip, _set, _set, _number, _number, _cut, _insert, _repeat, _graft, _digits)
