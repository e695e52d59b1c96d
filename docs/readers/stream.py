# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""stream.py FILE: the pages that a saved set shares, as lines GFN NPAGES.

docs/man/set-stream.5.md has the format, and what a reader checks.
"""
import sys
import zlib


def check(ok, why="the set is damaged"):
    if not ok:
        sys.exit(why)


def number(at, size):
    check(at + size <= len(data), "the set ends early")
    return int.from_bytes(data[at:at + size], "little")


with open(sys.argv[1], "rb") as file:
    data = file.read()
check(data[:8] == b"hcpset\r\n" and number(8, 4) == 2, "this is no set of version 2")
check(number(100, 4) == zlib.crc32(data[:100]))
at, records, chunk, runs = 104, 0, -1, []
while number(at, 4) != 0xffffffff:
    check(number(at, 4) > chunk)
    chunk, count = number(at, 4), number(at + 4, 4)
    at, records, page = at + 8, records + 1, chunk * 32768
    for n in range(at, at + 4 * count, 4):
        runs.append((page + number(n, 2), page + number(n + 2, 2) + 1))
    for n in range(0 if count else 32768):
        if number(at + n // 8, 1) >> n % 8 & 1:
            runs.append((page + n, page + n + 1))
    at += 4 * count or 4096
check(number(at + 44, 4) == zlib.crc32(data[:100] + data[104:at + 44]) and number(at + 4, 4) == records)
ranges = [[0, 0]]
for first, end in runs:
    check(ranges[-1][1] <= first < end <= number(16, 8))
    if ranges[-1][1] == first:
        ranges[-1][1] = end
    else:
        ranges.append([first, end])
check(number(at + 8, 8) == sum(end - first for first, end in ranges))
check(number(at + 16, 8) == number(at + 40, 4) == 0, "the set is not complete")
for first, end in ranges:
    if first < end:
        print(first, end - first)
