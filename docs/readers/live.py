# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""live.py NAME: the pages that the guest of an attached policy shares now, as lines GFN NPAGES; as root.

include/hcpolicy/abi.h has the layout of the two maps: a bit for each page, and struct hcp_info.
"""
import ctypes
import mmap
import os
import struct
import sys

SYS_bpf, BPF_OBJ_GET = 321, 7


def mapped(name, size):
    path = ctypes.create_string_buffer(f"/sys/fs/bpf/hcpolicy/{sys.argv[1]}/{name}".encode())
    # No flags: what is opened by BPF_F_RDONLY cannot be mapped.
    attr = struct.pack("QII", ctypes.addressof(path), 0, 0)
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_bpf, BPF_OBJ_GET, attr, len(attr))
    if fd < 0:
        sys.exit(f"{path.value.decode()}: {os.strerror(ctypes.get_errno())}")
    return mmap.mmap(fd, size, prot=mmap.PROT_READ)


version, state, missed, beyond, npages, reach = struct.unpack_from("<IIQQQQ", mapped("hcp_info", 4096))
if version != 2:
    sys.exit(f"hcp_info has version {version}")
if state or missed:
    print("the set is not complete", file=sys.stderr)
first = None
for n, (word,) in enumerate(struct.iter_unpack("<Q", mapped("hcp_shared", npages // 8)[:])):
    for page in range(64 * n, 64 * n + 64) if word != (0 if first is None else 2**64 - 1) else ():
        shared = word >> page % 64 & 1
        if shared and first is None:
            first = page
        elif not shared and first is not None:
            print(first, page - first)
            first = None
if first is not None:
    print(first, npages - first)
