// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
//! stream FILE: the pages that a saved set shares, as lines GFN NPAGES.
//! docs/man/set-stream.5.md has the format, and what a reader checks.

fn check(ok: bool, why: &str) {
    if !ok {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn crc32(bytes: &[u8]) -> u64 {
    let bit = |crc: u32, _| crc >> 1 ^ (crc & 1) * 0xedb88320;
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ byte as u32, bit)) as u64
}

fn main() {
    let data = std::fs::read(std::env::args().nth(1).expect("usage: stream FILE")).expect("FILE");
    let number = |at: usize, size: usize| {
        check(at + size <= data.len(), "the set ends early");
        data[at..at + size].iter().rev().fold(0u64, |n, &byte| n << 8 | byte as u64)
    };
    check(data.starts_with(b"hcpset\r\n") && number(8, 4) == 2, "this is no set of version 2");
    check(number(100, 4) == crc32(&data[..100]), "the set is damaged");
    let (mut at, mut records, mut least, mut runs) = (104, 0, 0, vec![]);
    while number(at, 4) != 0xffffffff {
        let (chunk, count) = (number(at, 4), number(at + 4, 4) as usize);
        check(chunk >= least, "the set is damaged");
        (at, records, least) = (at + 8, records + 1, chunk + 1);
        for n in (at..at + 4 * count).step_by(4) {
            runs.push((chunk * 32768 + number(n, 2), chunk * 32768 + number(n + 2, 2) + 1));
        }
        for n in (0..32768).filter(|n| count == 0 && number(at + n / 8, 1) >> (n % 8) & 1 == 1) {
            runs.push((chunk * 32768 + n as u64, chunk * 32768 + n as u64 + 1));
        }
        at += if count > 0 { 4 * count } else { 4096 };
    }
    number(at + 44, 4);
    let summed = [&data[..100], &data[104..at + 44]].concat();
    check(number(at + 44, 4) == crc32(&summed) && number(at + 4, 4) == records, "the set is damaged");
    let mut ranges = vec![(0, 0)];
    for (first, end) in runs {
        let last = ranges.last_mut().unwrap();
        check(last.1 <= first && first < end && end <= number(16, 8), "the set is damaged");
        if last.1 == first {
            last.1 = end;
        } else {
            ranges.push((first, end));
        }
    }
    check(number(at + 8, 8) == ranges.iter().map(|r| r.1 - r.0).sum(), "the set is damaged");
    check(number(at + 16, 8) == 0 && number(at + 40, 4) == 0, "the set is not complete");
    for (first, end) in ranges.iter().filter(|r| r.0 < r.1) {
        println!("{first} {}", end - first);
    }
}
