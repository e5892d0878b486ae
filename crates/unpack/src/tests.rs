use std::io::Write;

use proptest::prelude::*;

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

/// What comes out, and how it ends.
fn read(packed: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut plain = Vec::new();
    let end = reader(packed).and_then(|mut reader| reader.read_to_end(&mut plain).map(|_| ()));
    (plain, end)
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + (i * i / 7 % 26) as u8).collect()
}

type Packer = fn(&[u8]) -> Vec<u8>;

const PACKERS: [Packer; 3] = [gzip, zstd, xz];

#[test]
fn each_format_is_read_as_it_is() {
    let plain = text(300_000);
    assert_eq!(read(&plain).0, plain);
    for pack in PACKERS {
        let (seen, end) = read(&pack(&plain));
        assert!(seen == plain && end.is_ok(), "{end:?}");
    }
}

#[test]
fn several_archives_are_one_input() {
    let (first, second) = (text(100_000), text(50_000));
    for pack in PACKERS {
        let (seen, end) = read(&[pack(&first), pack(&second)].concat());
        assert!(seen == [first.as_slice(), &second].concat() && end.is_ok(), "{end:?}");
    }
    // A skippable frame, as pzstd writes before each.
    let skip = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let (seen, end) = read(&[&skip[..], &zstd(&first), &skip, &zstd(&second), &skip].concat());
    assert!(seen == [first.as_slice(), &second].concat() && end.is_ok(), "{end:?}");
    assert!(read(&skip[..9]).1.is_err());
}

#[test]
fn what_is_cut_or_damaged_is_told() {
    let plain = text(600_000);
    for pack in PACKERS {
        let packed = pack(&plain);
        for cut in [packed.len() / 2, packed.len() - 1] {
            let (seen, end) = read(&packed[..cut]);
            assert!(end.is_err() && plain.starts_with(&seen), "{cut} of {}", packed.len());
        }
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        assert!(read(&damaged).1.is_err());
        let tail = [packed.as_slice(), b"not an archive"].concat();
        let (seen, _) = read(&tail);
        assert!(seen == plain, "{} of {}: {:?}", seen.len(), plain.len(), read(&tail).1);
    }
}

#[test]
fn an_archive_cannot_ask_for_any_memory() {
    // xz: a dictionary of 4 GiB - 1. Behind the stream's header of 12 bytes: the block header's size, its flags, the
    // filter's number, the size of its properties, the dictionary's size; at its end a checksum.
    let mut packed = xz(b"small");
    let end = 12 + (usize::from(packed[12]) + 1) * 4;
    assert_eq!(packed[13..16], [0, 0x21, 1]);
    packed[16] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&packed[12..end - 4]);
    packed[end - 4..end].copy_from_slice(&crc.sum().to_le_bytes());
    assert!(read(&packed).1.unwrap_err().to_string().contains("memory"), "the limit");
    // zstd: a window of 1 GiB.
    assert!(read(&[0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 0x29, 0, 0, b'a', b'b', b'c', b'd', b'e']).1.is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(format in 0..3_usize, mut bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
        let magic: [&[u8]; 3] = [&[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0"];
        let _ = read(&[magic[format], &bytes].concat());
        bytes = PACKERS[format](&bytes);
        let at = at.index(bytes.len());
        bytes[at] = with;
        let _ = read(&bytes);
    }
}
