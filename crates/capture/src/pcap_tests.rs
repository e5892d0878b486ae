use std::io::Write;

use super::*;

/// A classic capture: magic, link type and frames of (seconds, fraction, wire length, bytes).
fn classic(magic: u32, big_endian: bool, frames: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut word = |v: u32| out.extend(if big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
    word(magic);
    word(if big_endian { 2 << 16 | 4 } else { 4 << 16 | 2 });
    [0, 0, 65535, 1].into_iter().for_each(&mut word);
    for (seconds, fraction, wire_len, bytes) in frames {
        let mut word = |v: u32| out.extend(if big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
        [*seconds, *fraction, bytes.len() as u32, *wire_len].into_iter().for_each(&mut word);
        out.extend(*bytes);
    }
    out
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;

/// A pcapng block of this type.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, &body, &len].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat())
}

/// An interface of this link type, with options as they are.
fn interface(link: u16, options: &[u8]) -> Vec<u8> {
    block(1, &[&link.to_le_bytes()[..], &[0, 0], &65535_u32.to_le_bytes(), options].concat())
}

fn enhanced(interface: u32, units: u64, bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u32).to_le_bytes();
    let (high, low) = (((units >> 32) as u32).to_le_bytes(), (units as u32).to_le_bytes());
    block(6, &[&interface.to_le_bytes()[..], &high, &low, &len, &len, bytes].concat())
}

type Seen = (u64, u64, Option<LinkType>, u32, Vec<u8>);

/// Every frame of a file with this content, and what the reader said at the end.
fn read(content: &[u8]) -> (Vec<Seen>, Result<u64, String>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let mut seen = Vec::new();
    let outcome = CaptureFile::open(file.path()).and_then(|capture| {
        capture.read(|r| seen.push((r.ordinal, r.time.0, r.link.ok(), r.wire_len, r.bytes.to_vec())))
    });
    let outcome = outcome.map_err(|err| {
        let text = err.to_string();
        text.strip_prefix(&format!("{}: ", file.path().display())).expect("the path comes first").to_owned()
    });
    (seen, outcome)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

#[test]
fn classic_captures_in_either_order_and_resolution() {
    let frames: &[(u32, u32, u32, &[u8])] = &[(7, 5, 3, b"abc"), (8, 6, 99, b"cut")];
    let eth = Some(LinkType::Ethernet);
    for big in [false, true] {
        let (seen, end) = read(&classic(MICRO, big, frames));
        assert_eq!(seen[0], (1, 7_000_005_000, eth, 3, b"abc".to_vec()));
        assert_eq!(seen[1], (2, 8_000_006_000, eth, 99, b"cut".to_vec()));
        assert_eq!(end, Ok(2));
        assert_eq!(read(&classic(NANO, big, frames)).0[0].1, 7_000_000_005);
    }
}

#[test]
fn compressed_files_are_read_as_they_are() {
    let big = vec![9_u8; 60_000];
    let frames: Vec<(u32, u32, u32, &[u8])> = (0..40).map(|i| (i, 0, 60_000, &big[..])).collect();
    let plain = classic(MICRO, false, &frames);
    let (first, second) = plain.split_at(1_000_000);
    assert_eq!(read(&gzip(&plain)), read(&plain));
    // Several members, as pigz and concatenation make them.
    assert_eq!(read(&[gzip(first), gzip(second)].concat()), read(&plain));
}

#[test]
fn what_is_there_is_read_and_the_rest_is_told() {
    let whole = classic(MICRO, false, &[(1, 0, 3, b"abc"), (2, 0, 3, b"def")]);
    for cut in 1..18 {
        let (seen, end) = read(&whole[..whole.len() - cut]);
        assert_eq!(seen.len(), 1, "{cut} bytes are missing");
        assert_eq!(end, Err("the file is truncated after packet 1".into()));
    }
    let (seen, end) = read(&gzip(&whole)[..40]);
    assert!(seen.len() < 2 && end.is_err(), "{end:?}");
}

#[test]
fn what_is_no_capture_is_told() {
    assert_eq!(read(b"").1, Err("the file is empty".into()));
    assert_eq!(read(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").1, Err("not a pcap or pcapng file".into()));
    let mut absurd = classic(MICRO, false, &[(1, 0, 3, b"abc")]);
    absurd.extend([0, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f]);
    absurd.extend([0; 100]);
    let (seen, end) = read(&absurd);
    assert_eq!(seen.len(), 1);
    assert!(end.unwrap_err().ends_with("after packet 1"));
    assert!(CaptureFile::open(Path::new("/nonexistent/x.pcap")).is_err());
}

#[test]
fn pcapng_interfaces_have_their_own_clock_and_link() {
    let nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    let binary = [9, 0, 1, 0, 0x8a, 0, 0, 0, 0, 0, 0, 0]; // 1/1024 s
    let file = [
        section(),
        interface(1, &[]),
        interface(101, &nanoseconds),
        interface(113, &binary),
        enhanced(0, 1_000_001, b"abc"),
        enhanced(1, 5_000_000_007, b"defg"),
        enhanced(2, 2048 + 512, b"hi"),
        block(5, &[0; 12]), // statistics: passed over
        block(3, &[&4_u32.to_le_bytes()[..], b"spb!"].concat()),
        section(),
        interface(228, &[]),
        enhanced(0, 1, b"new section"),
    ]
    .concat();
    let (seen, end) = read(&file);
    assert_eq!(end, Ok(5));
    assert_eq!(seen[0], (1, 1_000_001_000, Some(LinkType::Ethernet), 3, b"abc".to_vec()));
    assert_eq!(seen[1], (2, 5_000_000_007, Some(LinkType::RawIp), 4, b"defg".to_vec()));
    assert_eq!(seen[2], (3, 2_500_000_000, Some(LinkType::LinuxCooked), 2, b"hi".to_vec()));
    // A simple packet has no time of its own: that of the one before it.
    assert_eq!(seen[3], (4, 2_500_000_000, Some(LinkType::Ethernet), 4, b"spb!".to_vec()));
    assert_eq!(seen[4].2, Some(LinkType::RawIp));
}

/// What programs wrote before there was the Enhanced Packet Block.
#[test]
fn the_first_form_of_a_packet_is_read_in_either_byte_order() {
    let little =
        [&[0, 0, 7, 0][..], &0_u32.to_le_bytes(), &3_000_001_u32.to_le_bytes(), &2_u32.to_le_bytes()];
    let little = [&little.concat()[..], &9_u32.to_le_bytes(), b"hi"].concat();
    let (seen, end) =
        read(&[section(), interface(1, &[]), block(2, &little), block(2, &little[..16])].concat());
    assert_eq!(seen, [(1, 3_000_001_000, Some(LinkType::Ethernet), 9, b"hi".to_vec())]);
    assert!(end.is_err(), "one that is too short is told");
    let big = |kind: u32, body: &[u8]| {
        let len = (body.len() as u32 + 12).to_be_bytes();
        [&kind.to_be_bytes()[..], &len, body, &len].concat()
    };
    let header = [&0x1a2b_3c4d_u32.to_be_bytes()[..], &[0, 1, 0, 0], &[0xff; 8]].concat();
    let packet = [&[0, 0, 0, 0][..], &[0; 4], &3_000_001_u32.to_be_bytes(), &2_u32.to_be_bytes()].concat();
    let packet = [&packet[..], &9_u32.to_be_bytes(), b"hi\0\0"].concat();
    let file = [big(0x0a0d_0d0a, &header), big(1, &[0, 1, 0, 0, 0, 0, 0xff, 0xff]), big(2, &packet)].concat();
    assert_eq!(read(&file), (seen, Ok(1)));
}

#[test]
fn foreign_link_types_are_handed_on_by_number() {
    let mut file = classic(MICRO, false, &[(1, 0, 3, b"abc")]);
    file[20] = 147;
    let (seen, end) = read(&file);
    assert_eq!((seen[0].2, end), (None, Ok(1)));
}

#[test]
fn packets_of_unknown_interfaces_are_damage_and_not_lost_silently() {
    let file = [section(), interface(1, &[]), enhanced(0, 1, b"abc"), enhanced(7, 1, b"abc")].concat();
    let (seen, end) = read(&file);
    assert_eq!(seen.len(), 1);
    assert_eq!(end, Err("a packet of an interface that the file does not describe after packet 1".into()));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(head in 0..3_usize, bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let head = [classic(MICRO, false, &[]), [section(), interface(1, &[])].concat(), Vec::new()][head].clone();
        let _ = read(&[head, bytes].concat());
    }

    #[test]
    fn damaged_captures_are_survived(at in 0..400_usize, value in proptest::prelude::any::<u8>()) {
        let mut file = [section(), interface(1, &[]), enhanced(0, 1, b"abc"), enhanced(0, 2, b"defg"), enhanced(0, 3, b"hi")].concat();
        let at = at % file.len();
        file[at] = value;
        let _ = read(&file);
    }
}
