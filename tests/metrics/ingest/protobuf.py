"""A plain encoder and a plain decoder of remote write, for tests: slow, and written from the protobuf documents alone."""

import struct


def varint(number):
    number &= 2**64 - 1
    out = b""
    while True:
        byte, number = number & 0x7F, number >> 7
        if not number:
            return out + bytes([byte])
        out += bytes([byte | 0x80])


def delimited(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def sample(time, value):
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time)


def label(name, value):
    return delimited(1, name.encode()) + delimited(2, value.encode())


def v1(series):
    """[(labels as pairs, samples as (time, value) pairs)] -> prometheus.WriteRequest"""
    out = b""
    for labels, samples in series:
        parts = [delimited(1, label(*pair)) for pair in labels] + [delimited(2, sample(*pair)) for pair in samples]
        out += delimited(1, b"".join(parts))
    return out


def v2(series):
    """The same as io.prometheus.write.v2.Request."""
    symbols = [""]
    out = b""
    for labels, samples in series:
        refs = b""
        for text in (text for pair in labels for text in pair):
            if text not in symbols:
                symbols.append(text)
            refs += varint(symbols.index(text))
        out += delimited(5, delimited(1, refs) + b"".join(delimited(2, sample(*pair)) for pair in samples))
    return b"".join(delimited(4, symbol.encode()) for symbol in symbols) + out


class Malformed(Exception):
    pass


def read_varint(data, pos):
    value = 0
    for shift in range(0, 70, 7):
        if pos >= len(data):
            raise Malformed
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), pos
    raise Malformed


def fields(data):
    """[(field number, wire type, content)]"""
    pos, found = 0, []
    while pos < len(data):
        tag, pos = read_varint(data, pos)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            content, pos = read_varint(data, pos)
        elif wire in (1, 5, 2):
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, pos = read_varint(data, pos)
            if size > len(data) - pos or size >= 2**63:
                raise Malformed
            content, pos = data[pos : pos + size], pos + size
        else:
            raise Malformed
        found.append((number, wire, content))
    return found


def signed(number):
    return number - 2**64 if number >= 2**63 else number


def decode_sample(data):
    time, value = 0, 0.0
    for number, wire, content in fields(data):
        if (number, wire) == (1, 1):
            value = struct.unpack("<d", content)[0]
        elif (number, wire) == (2, 0):
            time = signed(content)
    return time, value


def decode_v1(data):
    """[(label messages, samples)] of a WriteRequest, or Malformed."""
    series = []
    for number, wire, content in fields(data):
        if number == 0:
            raise Malformed
        if (number, wire) != (1, 2):
            continue
        labels, samples = [], []
        for inner, kind, part in fields(content):
            if inner == 0:
                raise Malformed
            if (inner, kind) == (1, 2):
                labels.append(part)
            elif (inner, kind) == (2, 2):
                samples.append(decode_sample(part))
        series.append((labels, samples))
    return series
