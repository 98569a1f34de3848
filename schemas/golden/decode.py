"""Decodes blocks, written from docs/block-format.md alone, and compares with what our own decoder says of the same bytes.

    python decode.py

Reads every block of format-*/*.bin beside this file (what is no block is a process, and left out) and compares each field and row with the .txt beside it. Spoils each block
in every bit and at every length: it must be refused. Compares the worked example in the document with its file. Exits 1 where something differs.
"""

import functools
import pathlib
import re
import struct
import sys
import uuid

import zstandard

MASK = (1 << 64) - 1
BLOCK_FINGERPRINT = 0xC0051EB2A5214608
# The newest layout that the document describes.
FORMAT_VERSION = 1


class Refused(Exception):
    """Bytes that no block has."""


def need(condition, reason):
    if not condition:
        raise Refused(reason)


def signed(value):
    """The i64 of the same 64 bits: what wrapping arithmetic leaves."""
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


def unzigzag(value):
    return (value >> 1) ^ -(value & 1)


def saturate(value):
    return max(-(1 << 63), min((1 << 63) - 1, value))


def text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        need(0 <= count <= self.left(), "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self, limit=1 << 64):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            need(shift < 70, "more than 64 bits")
        need(byte > 0 or shift == 0, "longer than needed")
        need(value < 1 << 64, "more than 64 bits")
        need(value < limit, "over a limit")
        return value

    def zigzag(self):
        return unzigzag(self.varint())

    def count(self, most):
        """A number of things, each of which takes at least a byte."""
        count = self.varint()
        need(count <= most and count <= self.left(), "too many")
        return count

    def column(self):
        return Reader(self.take(self.varint()))

    def planes(self):
        return Planes(self.column(), self.column(), self.column())

    def finish(self):
        need(self.left() == 0, "bytes too many")


class Planes:
    def __init__(self, first, second, others):
        self.all = (first, second, others)

    def varint(self):
        first, second, others = self.all
        low = first.byte()
        if low < 0x80:
            return low
        high = second.byte()
        value = low & 0x7F | (high & 0x7F) << 7
        if high < 0x80:
            need(high > 0, "longer than needed")
            return value
        rest = others.varint(1 << 50)
        need(rest > 0, "longer than needed")
        return value | rest << 14

    def finish(self):
        for column in self.all:
            column.finish()


# The record.


@functools.cache
def crc_table():
    def entry(value):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return [entry(value) for value in range(256)]


def crc32c(data):
    table, crc = crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def string(r, most=32 * 1024):
    length = r.zigzag()
    need(0 <= length <= most, "a string over its limit")
    return text(r.take(length))


def natural(r):
    value = r.zigzag()
    need(value >= 0, "negative")
    return value


def sample(r):
    return {"ticks": r.zigzag() & MASK, "monotonic_ns": r.zigzag(), "wall_ns": r.zigzag()}


def identifier(r):
    return str(uuid.UUID(bytes=r.take(16)))


def extensions(r):
    """Pairs of a name and bytes, in their order."""
    found, count = [], natural(r)
    need(count <= 16, "too many extensions")
    for _ in range(count):
        name = string(r)
        length = natural(r)
        found.append((name, r.take(length)))
    need(sum(len(name.encode()) + len(value) for name, value in found) <= 4096, "extensions over their limit")
    need(len({name for name, _ in found}) == count, "two extensions of one name")
    need(count == 0 or r.zigzag() == 0, "extensions in more than one run")
    return found


FIELDS = {
    "format_version": natural,
    "process_id": identifier,
    "stream_id": identifier,
    "kind": lambda r: string(r, 64),
    "thread_name": string,
    "thread_number": lambda r: r.zigzag() & MASK,
    "clock_domain": lambda r: string(r, 64),
    "block_id": identifier,
    "sequence": natural,
    "first_ordinal": natural,
    "ordinal_count": natural,
    "event_count": natural,
    "row_count": natural,
    "dropped_count": natural,
    "dropped_total": natural,
    "anchor_ns": Reader.zigzag,
    "begin": sample,
    "end": sample,
    "min_time": Reader.zigzag,
    "max_time": Reader.zigzag,
    "extensions": extensions,
}


def record(data):
    """The header, and the payload."""
    need(len(data) <= 832 * 1024, "a record over its limit")
    need(data[:10] == b"\xc3\x01" + BLOCK_FINGERPRINT.to_bytes(8, "little"), "not a block's record")
    r = Reader(data[10:])
    header = {name: read(r) for name, read in FIELDS.items()}
    crc_at = r.at
    crc = int.from_bytes(r.take(4), "big")
    length = r.zigzag()
    need(0 <= length <= 768 * 1024, "a payload over its limit")
    payload = r.take(length)
    r.finish()
    need(crc32c(r.data[:crc_at] + r.data[crc_at + 4 :]) == crc, "another checksum")
    need(header["format_version"] == FORMAT_VERSION, "a format that this decoder does not know")
    need(re.fullmatch("[a-z0-9_]{1,64}", header["kind"]), "not a kind")
    need(header["event_count"] <= 262_144, "too many events")
    need(header["first_ordinal"] + header["ordinal_count"] < 1 << 63, "ordinals beyond 2^63")
    need(header["dropped_count"] <= header["ordinal_count"] + 1, "more dropped than there were")
    need(header["row_count"] <= header["event_count"], "more rows than events")
    need(header["min_time"] <= header["max_time"], "min_time after max_time")
    return header, payload


def opened(payload):
    need(payload[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
    try:
        size = zstandard.frame_content_size(payload)
        need(0 <= size <= 8 << 20, "a frame that says no size, or one over the limit")
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        data = decompressor.decompress(payload)
    except zstandard.ZstdError as error:
        raise Refused(str(error)) from None
    need(decompressor.eof and not decompressor.unused_data and len(data) == size, "more or less than a zstd frame")
    return data


class Times:
    def __init__(self, header):
        begin, end = header["begin"], header["end"]
        ticks = max(0, end["ticks"] - begin["ticks"])
        elapsed = max(0, saturate(end["monotonic_ns"] - begin["monotonic_ns"]))
        rate = (elapsed << 40) // ticks if ticks else 0
        self.rate = rate if rate < 1 << 60 else 0
        self.begin_ticks = begin["ticks"]
        self.origin = saturate(header["anchor_ns"] + begin["monotonic_ns"])

    def at(self, ticks):
        return saturate(self.origin + saturate(signed(ticks - self.begin_ticks) * self.rate >> 40))


# What all kinds have.


def tables(r):
    lengths = [r.varint(32 * 1024 + 1) for _ in range(r.count(73_728))]
    need(sum(lengths) <= 160 * 1024, "strings over their limit")
    strings = [text(r.take(length)) for length in lengths]
    seen, referred = 0, 0

    def entry():
        nonlocal seen, referred
        number = r.varint()
        if number == 0:
            seen += 1
            number = seen
        need(number <= seen and number <= len(strings), "a string before its turn, or beyond the last")
        referred += lengths[number - 1]
        need(referred <= 4 << 20, "strings over their limit")
        return strings[number - 1]

    sites = [{} for _ in range(r.count(4096))]
    for name in ("name", "target", "file", "unit"):
        for site in sites:
            site[name] = entry()
    for site in sites:
        site["line"] = r.varint(1 << 32)
    for site in sites:
        site["level"] = r.byte()
    counts = []
    for site in sites:
        number = r.varint()
        site["named"], site["aggregated"] = bool(number & 1), bool(number & 2)
        counts.append(number >> 2)
        need(counts[-1] <= 16, "more than 16 arguments")
    need(sum(counts) <= 16_384, "too many arguments")
    for site, count in zip(sites, counts):
        site["args"], site["codes"], site["template"] = [], [], ""
        for _ in range(count):
            site["args"].append(entry())
            need(len(site["args"][-1].encode()) < 256, "the name of an argument over its limit")
            site["codes"].append(r.byte())
            need(site["codes"][-1] <= 11, "an unknown code")
        if count:
            site["template"] = entry()
    threads = [{"name": entry(), "number": r.varint()} for _ in range(r.count(4096))]
    sets, pairs = [], 0
    for _ in range(r.count(4096)):
        count = r.count(256)
        pairs += count
        need(pairs <= 16_384, "too many properties")
        sets.append([(entry(), entry()) for _ in range(count)])
    need(seen == len(strings), "strings that nothing refers to")
    return sites, threads, sets


def drops(r, header):
    """Place and number of what was dropped."""
    places, at, total = [], 0, 0
    for index in range(r.count(header["event_count"] + 1)):
        step, dropped = r.varint(), r.varint()
        need((step > 0 or index == 0) and dropped > 0, "two drops in one place, or none in one")
        at += step
        total += dropped
        need(at <= header["event_count"], "a drop beyond the last event")
        places.append((at, dropped))
    return places, total


def ticks(r, header, count):
    """The ticks of so many events."""
    tick = header["begin"]["ticks"] + r.zigzag()
    planes, found = r.planes(), []
    for _ in range(count):
        number = planes.varint()
        tick += number - 1 if number else -planes.varint() - 1
        tick &= MASK
        found.append(tick)
    planes.finish()
    return found


def numbers(column, count, entries):
    found = [column.varint(entries) for _ in range(count)]
    column.finish()
    return found


def event_numbers(site, sites):
    """For each event its number among those of its call site, and how many each has."""
    counts, events = [0] * sites, []
    for number in site:
        events.append(counts[number])
        counts[number] += 1
    return events, counts


def ordinals(header, places, count):
    """Those of all events, and the next one."""
    ordinal, at, found = header["first_ordinal"], 0, []
    for place, dropped in [*places, (count, 0)]:
        found.extend(range(ordinal, ordinal + place - at))
        ordinal += place - at + dropped
        at = place
    return found, ordinal


def as_f32(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def checked(code, word):
    """The value, if its code has it."""
    if code in (1, 2, 3):
        bits = 4 << code
        need(-(1 << bits - 1) <= signed(word) < 1 << bits - 1, "an integer beyond its width")
    elif code == 6:
        value = struct.unpack("<d", word.to_bytes(8, "little"))[0]
        need(value != value or struct.pack("<d", as_f32(value)) == struct.pack("<d", value), "not an f32")
    elif code == 8:
        need(word < 2, "not a bool")
    elif code == 9:
        need(word < 0x110000 and not 0xD800 <= word < 0xE000, "not a char")
    return word


def word_of(words):
    return int.from_bytes(bytes(plane.byte() for plane in words), "little")


def values(r, sites, counts):
    """By call site, by argument: the words (the 64 bits of a number, or a text) of all events; `None` for what has no value."""
    total = sum(count * len(site["codes"]) for site, count in zip(sites, counts))
    need(total <= 786_432, "too many values")
    if total == 0:
        return [[None] * len(site["codes"]) for site in sites]
    modes, integers, words = r.column(), r.planes(), [r.column() for _ in range(8)]
    lengths, texts = r.column(), r.column()
    new_texts = 0
    found = []
    for site, count in zip(sites, counts):
        found.append([None] * len(site["codes"]))
        for index, code in enumerate(site["codes"]):
            if code == 0 or count == 0:
                continue
            mode, column, last, known = modes.byte(), [], 0, []
            for _ in range(count):
                if code in (10, 11):
                    need(mode == 0, "an unknown mode")
                    number = integers.varint()
                    if number == 0:
                        new_texts += 1
                        number = new_texts
                    need(number <= new_texts, "a text before its turn")
                    # Its text is known only when all are counted.
                    column.append(number - 1)
                elif mode == 0xFF:
                    column.append(checked(code, word_of(words)))
                elif mode == 0xFE:
                    number = integers.varint()
                    if number == 0:
                        known.append(word_of(words))
                        number = len(known)
                    need(number <= len(known), "a word before its turn")
                    column.append(checked(code, known[number - 1]))
                elif code in (6, 7):
                    exponent = mode >> 1 & 15
                    need(mode < 0x40 and exponent < 10, "an unknown mode")
                    last = signed((last if mode & 1 else 0) + unzigzag(integers.varint()))
                    value = float(last) / 10.0**exponent
                    value = as_f32(value) if mode & 0x20 else value
                    column.append(checked(code, int.from_bytes(struct.pack("<d", value), "little")))
                else:
                    need(mode < 2, "an unknown mode")
                    number = integers.varint()
                    if mode == 1:
                        last = number = last + unzigzag(number) & MASK
                    elif code < 5:
                        number = unzigzag(number) & MASK
                    column.append(checked(code, number))
            found[-1][index] = column
    for column in (modes, integers, *words):
        column.finish()
    all_texts = [text(texts.take(lengths.varint(32 * 1024 + 1))) for _ in range(new_texts)]
    lengths.finish()
    texts.finish()
    referred = 0
    for site, columns in zip(sites, found):
        for index, code in enumerate(site["codes"]):
            if code in (10, 11) and columns[index] is not None:
                columns[index] = [all_texts[number] for number in columns[index]]
                referred += sum(len(value.encode()) for value in columns[index])
    need(referred <= 8 << 20, "texts over their limit")
    return found


def check(header, rows, dropped, next_ordinal, least, greatest):
    need(rows == header["row_count"], "another row_count")
    need(dropped == header["dropped_count"], "another dropped_count")
    need(next_ordinal == header["first_ordinal"] + header["ordinal_count"], "another ordinal_count")
    if rows:
        need(header["min_time"] <= min(least) and max(greatest) <= header["max_time"], "rows beyond the header's times")


# The kinds. Each gives what our own decoder's answer has, under its names.


def spans(r, header, sites, places, dropped):
    times, first = Times(header), header["first_ordinal"]
    begun = [0] * len(sites)

    def number(site):
        need(site < len(sites), "no such call site")
        begun[site] += 1
        # Spans without fields are not counted by our own decoder: nobody asks for theirs.
        return begun[site] - 1 if sites[site]["codes"] else 0

    stack, last = [], -1
    for _ in range(r.count(1024)):
        site, back, begin, children = r.varint(), r.varint(), r.zigzag(), r.varint(1 << 63)
        need(0 < back <= first and first - back > last, "open spans out of order")
        last = first - back
        begin = signed(times.origin + begin)
        stack.append({"site": site, "ordinal": last, "begin": begin, "child_ns": children, "event": number(site)})
    count = r.varint()
    need(count == header["event_count"], "another event_count")
    edges = r.column()
    at = ticks(r, header, count)
    names = ("site", "ordinal", "parent", "depth", "begin", "end", "self_ns", "truncated", "event")
    rows = {name: [] for name in names}
    ordinal, index = first, 0
    for place, lost in [*places, (count, 0)]:
        while index < place:
            edge, time = edges.varint(), times.at(at[index])
            index += 1
            if edge >= 2:
                need(len(stack) < 1024, "too many open spans")
                site = edge - 2
                stack.append({"site": site, "ordinal": ordinal, "begin": time, "child_ns": 0, "event": number(site)})
                ordinal += 1
                continue
            need(stack, "an end without a begin")
            span = stack.pop()
            end = max(time, span["begin"])
            duration = saturate(end - span["begin"])
            if stack:
                stack[-1]["child_ns"] = saturate(stack[-1]["child_ns"] + duration)
            self_ns = max(0, duration - span["child_ns"])
            parent = stack[-1]["ordinal"] if stack else None
            row = (span["site"], span["ordinal"], parent, len(stack), span["begin"], end, self_ns, edge == 1, span["event"])
            for name, value in zip(names, row):
                rows[name].append(value)
        ordinal += lost
    edges.finish()
    counts = [count if site["codes"] else 0 for site, count in zip(sites, begun)]
    args = values(r, sites, counts)
    check(header, len(rows["site"]), dropped, ordinal, rows["begin"], rows["end"])
    for depth, span in enumerate(stack):
        span["parent"], span["depth"] = stack[depth - 1]["ordinal"] if depth else None, depth
    return {**rows, "args": args, "open": stack}


def points(r, header, count):
    times = Times(header)
    return [times.at(tick) for tick in ticks(r, header, count)]


def event_count(r, header):
    count = r.varint()
    need(count == header["event_count"], "another event_count")
    return count


def logs(r, header, sites, threads, places, dropped):
    count = event_count(r, header)
    time = points(r, header, count)
    site, thread = numbers(r.column(), count, len(sites)), numbers(r.column(), count, len(threads))
    event, counts = event_numbers(site, len(sites))
    args = values(r, sites, counts)
    ordinal, following = ordinals(header, places, count)
    check(header, count, dropped, following, time, time)
    return {"site": site, "thread": thread, "ordinal": ordinal, "time": time, "event": event, "args": args}


def number_of(code, word):
    need(1 <= code <= 9, "a measurement without a value")
    if code in (6, 7):
        return struct.unpack("<d", word.to_bytes(8, "little"))[0]
    return float(signed(word) if code < 5 else word)


def metrics(r, header, sites, threads, sets, places, dropped):
    count = event_count(r, header)
    time = points(r, header, count)
    site, thread = numbers(r.column(), count, len(sites)), numbers(r.column(), count, len(threads))
    properties = [number - 1 if number else None for number in numbers(r.column(), count, len(sets) + 1)]
    event, counts = event_numbers(site, len(sites))
    args = values(r, sites, counts)
    value = []
    for which, index in zip(site, event):
        need(sites[which]["codes"], "a measurement without a value")
        code = sites[which]["codes"][0]
        value.append(number_of(code, args[which][0][index] if code else None))
    ordinal, following = ordinals(header, places, count)
    check(header, count, dropped, following, time, time)
    rows = {"site": site, "thread": thread, "ordinal": ordinal, "time": time, "value": value, "event": event}
    return {**rows, "args": args, "properties": properties, "property_sets": sets}


def frames(r, header, places, dropped):
    times, first, frame = Times(header), header["first_ordinal"], None
    back = r.varint()
    if back:
        need(back <= first, "an ordinal below 0")
        frame = (first - back, signed(times.origin + r.zigzag()))
    count = event_count(r, header)
    at = points(r, header, count)
    rows = {"ordinal": [], "begin": [], "end": []}
    ordinal, index = first, 0
    for place, lost in [*places, (count, 0)]:
        while index < place:
            if frame:
                for name, value in zip(rows, (*frame, max(at[index], frame[1]))):
                    rows[name].append(value)
            frame = (ordinal, at[index])
            ordinal += 1
            index += 1
        ordinal += lost
        if lost and frame:
            dropped += 1
            frame = None
    check(header, len(rows["ordinal"]), dropped, ordinal, rows["begin"], rows["end"])
    return {**rows, "open": frame}


def parent_of(ordinal, distance):
    if distance == 0:
        return None
    parent = ordinal - unzigzag(distance - 1) & MASK
    need(parent < ordinal, "a parent that began later")
    return parent


def asyncs(r, header, sites, threads, places, dropped):
    times, following = Times(header), header["first_ordinal"] + header["ordinal_count"]
    count = r.varint()
    need(count == header["row_count"], "another row_count")
    need(header["event_count"] == count + header["ordinal_count"] - dropped, "another event_count")
    end = points(r, header, count)
    site, thread = numbers(r.column(), count, len(sites)), numbers(r.column(), count, len(threads))
    ordinals_column, parents, durations, column = r.planes(), r.planes(), r.planes(), r.column()
    rows = {"ordinal": [], "parent": [], "begin": []}
    ordinal = header["first_ordinal"]
    for time in end:
        ordinal = ordinal + unzigzag(ordinals_column.varint()) & MASK
        need(ordinal < following, "an ordinal not given out")
        rows["ordinal"].append(ordinal)
        rows["parent"].append(parent_of(ordinal, parents.varint()))
        begin = time - durations.varint()
        need(begin >= -(1 << 63) and time - begin < 1 << 63, "a duration beyond all time")
        rows["begin"].append(begin)
    ordinals_column.finish()
    parents.finish()
    durations.finish()
    event, counts = event_numbers(site, len(sites))
    still_open, last = [], -1
    for _ in range(column.count(256)):
        span = {"site": column.varint(len(sites)), "thread": column.varint(len(threads))}
        span["ordinal"] = following - column.varint()
        need(last < span["ordinal"] < following, "open spans out of order")
        last = span["ordinal"]
        span["parent"] = parent_of(last, column.varint())
        span["begin"] = signed(times.origin + column.zigzag())
        span["event"] = counts[span["site"]]
        counts[span["site"]] += 1
        still_open.append(span)
    column.finish()
    args = values(r, sites, counts)
    check(header, count, dropped, following, rows["begin"], end)
    return {"site": site, "thread": thread, **rows, "end": end, "event": event, "args": args, "open": still_open}


def attachments(r, header, sites, threads, places, dropped):
    count = event_count(r, header)
    time = points(r, header, count)
    codes, thread = numbers(r.column(), count, 2 * len(sites)), numbers(r.column(), count, len(threads))
    places_of, lengths, texts, data = r.column(), r.column(), r.column(), r.column()
    rows = {name: [] for name in ("attachment", "part", "parts", "size", "name", "media_type", "part_bytes")}
    last = 0
    for code in codes:
        last = last + places_of.zigzag() & MASK
        part, parts, size = places_of.varint(), places_of.varint(1 << 32), places_of.varint(1 << 63)
        need(last < 1 << 63 and part < parts, "no such part")
        own = text(texts.take(lengths.varint(32 * 1024 + 1))) if code & 1 else sites[code >> 1]["name"]
        media_type = text(texts.take(lengths.varint(256)))
        part_bytes = data.take(lengths.varint(512 * 1024 + 1))
        need(len(part_bytes) <= size, "a part larger than the whole")
        for name, value in zip(rows, (last, part, parts, size, own, media_type, part_bytes)):
            rows[name].append(value)
    for column in (places_of, lengths, texts, data):
        column.finish()
    ordinal, following = ordinals(header, places, count)
    check(header, count, dropped, following, time, time)
    return {"site": [code >> 1 for code in codes], "thread": thread, "ordinal": ordinal, "time": time, **rows}


def block(data):
    """Header and rows of a block's record."""
    header, payload = record(data)
    r = Reader(opened(payload))
    sites, threads, sets = tables(r)
    places, dropped = drops(r, header)
    kind = header["kind"]
    if kind == "span":
        rows = {"sites": sites, **spans(r, header, sites, places, dropped)}
    elif kind == "frame":
        rows = frames(r, header, places, dropped)
    elif kind == "metric":
        rows = {"sites": sites, "threads": threads, **metrics(r, header, sites, threads, sets, places, dropped)}
    else:
        decoders = {"log": logs, "async": asyncs, "attachment": attachments}
        need(kind in decoders, "a kind that this decoder does not know")
        rows = {"sites": sites, "threads": threads, **decoders[kind](r, header, sites, threads, places, dropped)}
    r.finish()
    return header, rows


# What our own decoder says: Rust's Debug text.

TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(-?\d[\d.]*(?:e-?\d+)?|-?\w+)|([{}()\[\],:]))')
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
NAMED = {"None": None, "true": True, "false": False}


def unescaped(quoted):
    replace = lambda found: chr(int(found[1], 16)) if found[1] else ESCAPES.get(found[2], found[2])
    return re.sub(r"\\(?:u\{([0-9a-f]+)\}|(.))", replace, quoted[1:-1])


def debug_values(source):
    """The values of a text: structs are dictionaries, Some(x) is x, other tuples and lists are lists."""
    tokens = [found.groups() for found in TOKEN.finditer(source)]
    at = 0

    def mark():
        return tokens[at][3] if at < len(tokens) else None

    def sequence(end):
        nonlocal at
        items = []
        at += 1
        while mark() != end:
            items.append(value())
            if mark() == ",":
                at += 1
        at += 1
        return items

    def struct_of_fields():
        nonlocal at
        fields = {}
        at += 1
        while mark() != "}":
            name = tokens[at][2]
            at += 2
            fields[name] = value()
            if mark() == ",":
                at += 1
        at += 1
        return fields

    def value():
        nonlocal at
        quoted, id_text, word, punctuation = tokens[at]
        if punctuation:
            return sequence({"[": "]", "(": ")"}[punctuation])
        at += 1
        if quoted:
            return unescaped(quoted)
        if id_text:
            return id_text
        if mark() == "{":
            return struct_of_fields()
        if mark() == "(":
            items = sequence(")")
            return items[0] if word in ("Some", "StreamKind") else items
        if word in NAMED:
            return NAMED[word]
        return float(word) if re.search(r"[.e]|NaN|inf", word) else int(word)

    found = []
    while at < len(tokens):
        found.append(value())
    return found


def start(ends, index):
    return ends[index - 1] if index else 0


def as_ours(kind, rows, sites):
    """Their columns in the shape of ours: texts cut apart, arguments by call site."""
    rows = dict(rows)
    if "args" in rows:
        args = rows["args"]
        ends, all_texts = args["ends"], args["text"].encode()
        texts = [all_texts[start(ends, index) : end].decode() for index, end in enumerate(ends)]
        found = []
        for index, site in enumerate(sites):
            columns = args["columns"][index] if args["columns"] else []
            of_site = [None] * len(site["codes"])
            for place, column in enumerate(columns):
                if column is None:
                    continue
                code, words = column
                assert code == site["codes"][place]
                of_site[place] = [texts[word] for word in words] if code in (10, 11) else words
            found.append(of_site)
        rows["args"] = found
    if kind == "attachment":
        all_texts, data = rows.pop("text").encode(), bytes(rows.pop("bytes"))
        name_ends, type_ends, ends = rows.pop("name_end"), rows.pop("media_type_end"), rows.pop("bytes_end")
        named = rows.pop("has_name")
        names = [all_texts[start(type_ends, index) : end].decode() for index, end in enumerate(name_ends)]
        of_sites = [sites[site]["name"] for site in rows["site"]]
        rows["name"] = [name if has else other for has, name, other in zip(named, names, of_sites)]
        rows["media_type"] = [all_texts[name_ends[index] : end].decode() for index, end in enumerate(type_ends)]
        rows["part_bytes"] = [data[start(ends, index) : end] for index, end in enumerate(ends)]
    return rows


def plain(value):
    """Tuples as lists; floats by their bits, so that NaN equals NaN and -0.0 differs from 0.0."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return struct.pack("<d", value) if isinstance(value, float) else value


def compare(name, data, says):
    """What differs, one line each."""
    header, rows = block(data)
    their_header, their_rows = debug_values(says)
    their_rows = as_ours(header["kind"], their_rows, rows.get("sites", []))
    for what, ours, theirs in (("header", header, their_header), ("rows", rows, their_rows)):
        ours, theirs = plain(ours), plain(theirs)
        for field in sorted(ours.keys() | theirs.keys()):
            if field not in ours or field not in theirs:
                yield f"{name}: {what} have {field} in one decoder only"
            elif ours[field] != theirs[field]:
                yield f"{name}: {field} differs: {str(ours[field])[:200]} here, {str(theirs[field])[:200]} there"


def refuses(data):
    try:
        block(data)
    except Refused:
        return True
    return False


def not_refused(name, data):
    """Records that are spoiled and were read all the same."""
    for index in range(len(data)):
        if not refuses(data[:index]):
            yield f"{name}: not refused when cut to {index} bytes"
        for bit in range(8):
            spoiled = bytearray(data)
            spoiled[index] ^= 1 << bit
            if not refuses(bytes(spoiled)):
                yield f"{name}: not refused with bit {bit} of byte {index} flipped"


def example_differs(document, directory):
    """Where the document's tables of bytes are not those of the file."""
    data = (directory / "example.bin").read_bytes()
    both = {"record": data, "opened": opened(record(data)[1])}
    for what, expected in both.items():
        table = re.search(f"<!-- {what} -->(.*?)<!-- end -->", document, re.DOTALL)
        if not table:
            yield f"the document has no table of the {what}"
            continue
        at = 0
        for offset, found in re.findall(r"^\| (\d+) \| `([0-9a-f ]+)` \|", table[1], re.MULTILINE):
            row = bytes.fromhex(found)
            if int(offset) != at or expected[at : at + len(row)] != row:
                yield f"the document's {what} differs at {offset}: the file has {expected[at:at + len(row)].hex(' ')} at {at}"
            at += len(row)
        if at != len(expected):
            yield f"the document's {what} has {at} bytes, the file {len(expected)}"


def main():
    here = pathlib.Path(__file__).resolve().parent
    document = (here.parent.parent / "docs/block-format.md").read_text()
    wrong, kinds = [], set()
    directories = sorted(here.glob("format-*"), key=lambda directory: int(directory.name.removeprefix("format-")))
    for file in (file for directory in directories for file in sorted(directory.glob("*.bin"))):
        if file.stem == "process":
            continue
        name, data = f"{file.parent.name}/{file.name}", file.read_bytes()
        wrong += compare(name, data, file.with_suffix(".txt").read_text())
        wrong += not_refused(name, data)
        kinds.add(record(data)[0]["kind"])
    wrong += example_differs(document, directories[-1])
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    if missing := {"span", "log", "metric", "frame", "async", "attachment"} - kinds:
        wrong.append("kinds are missing")
        print(f"no golden block of {', '.join(sorted(missing))}", file=sys.stderr)
    print(f"{len(kinds)} kinds of blocks say what the document says" if not wrong else f"{len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
