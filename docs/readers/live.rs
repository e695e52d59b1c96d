// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
//! live NAME: the pages that the guest of an attached policy shares now, as lines GFN NPAGES; as root.
//! include/hcpolicy/abi.h has the layout of the two maps: a bit for each page, and struct hcp_info.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn mmap(at: *mut u8, size: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *const AtomicU64;
}
const SYS_BPF: i64 = 321;
const BPF_OBJ_GET: i32 = 7;
const PROT_READ: i32 = 1;
const MAP_SHARED: i32 = 1;

#[repr(C)]
struct ObjGet { path: *const u8, fd: u32, flags: u32 }

/// The kernel changes the words at any time, so they are atomic.
fn mapped(attachment: &str, map: &str, words: usize) -> &'static [AtomicU64] {
    let path = format!("/sys/fs/bpf/hcpolicy/{attachment}/{map}\0");
    // No flags: what is opened by BPF_F_RDONLY cannot be mapped.
    let get = ObjGet { path: path.as_ptr(), fd: 0, flags: 0 };
    unsafe {
        let fd = syscall(SYS_BPF, BPF_OBJ_GET, &get, std::mem::size_of::<ObjGet>()) as i32;
        assert!(fd >= 0, "{path}: {}", std::io::Error::last_os_error());
        let at = mmap(std::ptr::null_mut(), 8 * words, PROT_READ, MAP_SHARED, fd, 0);
        assert!(at as isize != -1, "{path}: {}", std::io::Error::last_os_error());
        std::slice::from_raw_parts(at, words)
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("usage: live NAME");
    let info = mapped(&name, "hcp_info", 5);
    assert_eq!(info[0].load(Relaxed) as u32, 2, "the version of hcp_info");
    if info[0].load(Relaxed) >> 32 != 0 || info[1].load(Relaxed) != 0 {
        eprintln!("the set is not complete");
    }
    let npages = info[3].load(Relaxed);
    let words = mapped(&name, "hcp_shared", npages as usize / 64);
    let mut first = None;
    for page in 0..npages {
        let shared = words[page as usize / 64].load(Relaxed) >> (page % 64) & 1 == 1;
        match first {
            None if shared => first = Some(page),
            Some(start) if !shared => {
                println!("{start} {}", page - start);
                first = None;
            }
            _ => {}
        }
    }
    if let Some(start) = first {
        println!("{start} {}", npages - start);
    }
}
