# Ed25519 by RFC 8032, section 5.1, in plain Python.
#
# Slow, and signing is not in constant time: for verifying, and for the keys of
# tests, which are no secrets.
#
# Copyright (c) 2026, the pg_steward authors

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    """The sum of two points in extended coordinates."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e = (y1 - x1) * (y2 - x2) % P
    f = (y1 + x1) * (y2 + x2) % P
    g = 2 * t1 * t2 * D % P
    h = 2 * z1 * z2 % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P,
            (h - g) * (h + g) % P, (f - e) * (f + e) % P)


def times(k, point):
    """The point, k times."""
    result = (0, 1, 1, 0)
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def encode(point):
    """A point as 32 bytes."""
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def decode(data):
    """The point of 32 bytes; None where there is none."""
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= 2**255 - 1
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * ROOT % P
    if (x * x - xx) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def scalar(*parts):
    """SHA-512 of the parts as a number modulo the order of the group."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def verify(public, message, signature):
    """Whether the signature is that of the key: [S]B = R + [k]A, R compared as bytes."""
    a = decode(public)
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or s >= L:
        return False
    k = scalar(signature[:32], public, message)
    minus_a = (P - a[0], a[1], 1, P - a[3])
    return encode(add(times(s, BASE), times(k, minus_a))) == signature[:32]


def expand(secret):
    """The scalar and the prefix of a secret key of 32 bytes."""
    h = hashlib.sha512(secret).digest()
    a = int.from_bytes(h[:32], "little")
    return a & ((1 << 254) - 8) | (1 << 254), h[32:]


def public_key(secret):
    """The public key of a secret one."""
    return encode(times(expand(secret)[0], BASE))


def sign(secret, message):
    """The signature of a message."""
    a, prefix = expand(secret)
    public = encode(times(a, BASE))
    r = scalar(prefix, message)
    big_r = encode(times(r, BASE))
    return big_r + ((r + scalar(big_r, public, message) * a) % L).to_bytes(32, "little")
