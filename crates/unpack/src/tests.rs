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

const PACKERS: [fn(&[u8]) -> Vec<u8>; 3] = [gzip, zstd, xz];

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
        assert!(seen == plain);
    }
}

#[test]
fn an_archive_cannot_ask_for_any_memory() {
    // xz: a dictionary of 4 GiB - 1. Its filter flags are the block header's; the checksum is right.
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    options.dict_size(1 << 29);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
    let mut out = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    out.write_all(b"small").unwrap();
    let packed = out.finish().unwrap();
    assert!(read(&packed).1.is_err());
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
