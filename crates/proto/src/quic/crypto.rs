//! Opening Initial packets: their keys follow from what everybody can see (RFC 9001 5.2, RFC 9369 3.3).

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use wire::Direction;

use super::header::{Packet, V1, V2};

const TAG: usize = 16;

fn salt(version: u32) -> Option<[u8; 20]> {
    Some(match version {
        // The last drafts already had the salt of the standard.
        V1 | 0xff00_0021 | 0xff00_0022 => {
            *b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
        }
        V2 => *b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
        0xff00_001d..=0xff00_0020 => {
            *b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
        }
        0xff00_0017..=0xff00_001c | 0xface_b002 | 0xface_b00e..=0xface_b013 => {
            *b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
        }
        0xff00_0015 | 0xff00_0016 | 0xface_b000 | 0xface_b001 => {
            *b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a"
        }
        // Google's Q050, T050, T051.
        0x5130_3530 => *b"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45",
        0x5430_3530 => *b"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10",
        0x5430_3531 => *b"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d",
        _ => return None,
    })
}

/// What one direction's Initial packets are protected with.
struct Protection {
    aead: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

/// The keys of both directions.
pub(super) struct Keys([Protection; 2]);

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys")
    }
}

fn expand<const N: usize>(from: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    let len = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = u8::try_from(6 + label.len()).ok()?;
    let mut out = [0; N];
    // HkdfLabel of RFC 8446 7.1 with an empty context.
    from.expand_multi_info(&[&len, &[label_len], b"tls13 ", label.as_bytes(), &[0]], &mut out).ok()?;
    Some(out)
}

/// Key, vector and key of the header's mask.
type Secrets = ([u8; 16], [u8; 12], [u8; 16]);

fn secrets(initial: &Hkdf<Sha256>, version: u32, label: &str) -> Option<Secrets> {
    let secret: [u8; 32] = expand(initial, label)?;
    let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
    let labels = if version == V2 {
        ["quicv2 key", "quicv2 iv", "quicv2 hp"]
    } else {
        ["quic key", "quic iv", "quic hp"]
    };
    Some((expand(&secret, labels[0])?, expand(&secret, labels[1])?, expand(&secret, labels[2])?))
}

fn protection(initial: &Hkdf<Sha256>, version: u32, label: &str) -> Option<Protection> {
    let (key, iv, mask) = secrets(initial, version, label)?;
    Some(Protection { aead: Aes128Gcm::new(&key.into()), iv, header: Aes128::new(&mask.into()) })
}

impl Keys {
    /// The keys that follow from the first connection identifier that the client invented; `None` for versions
    /// whose salt is not known.
    pub fn new(version: u32, dcid: &[u8]) -> Option<Keys> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&salt(version)?), dcid);
        Some(Keys([protection(&initial, version, "client in")?, protection(&initial, version, "server in")?]))
    }

    /// The frames of an Initial packet, put into `out`; whether they could be opened.
    pub fn open(&self, direction: Direction, packet: &Packet<'_>, out: &mut Vec<u8>) -> bool {
        self.decrypt(&self.0[direction.index()], packet, out).is_some()
    }

    fn decrypt(&self, with: &Protection, packet: &Packet<'_>, out: &mut Vec<u8>) -> Option<()> {
        let bytes = packet.bytes;
        // Header protection: RFC 9001 5.4.
        let sample = bytes.get(packet.head + 4..packet.head + 20)?;
        let mut mask = aes::Block::clone_from_slice(sample);
        with.header.encrypt_block(&mut mask);
        let first = bytes[0] ^ (mask[0] & 0x0f);
        let number_len = usize::from(first & 3) + 1;
        let payload = packet.head + number_len;
        let mut head = bytes.get(..payload)?.to_vec();
        head[0] = first;
        let mut nonce = with.iv;
        for at in 0..number_len {
            head[packet.head + at] ^= mask[1 + at];
            nonce[12 - number_len + at] ^= head[packet.head + at];
        }
        let end = bytes.len().checked_sub(TAG).filter(|&end| end >= payload)?;
        out.clear();
        out.extend_from_slice(&bytes[payload..end]);
        let tag = Tag::from_slice(&bytes[end..]);
        with.aead.decrypt_in_place_detached(Nonce::from_slice(&nonce), &head, out, tag).ok()
    }
}

#[cfg(test)]
impl Keys {
    /// The opposite of `open`: a packet whose head ends before its number of two bytes, and its frames in the clear.
    pub fn seal(&self, direction: Direction, head: &[u8], number: u16, frames: &[u8]) -> Vec<u8> {
        let with = &self.0[direction.index()];
        let mut packet = head.to_vec();
        packet.extend_from_slice(&number.to_be_bytes());
        let mut nonce = with.iv;
        nonce[10] ^= packet[head.len()];
        nonce[11] ^= packet[head.len() + 1];
        let mut sealed = frames.to_vec();
        let tag =
            with.aead.encrypt_in_place_detached(Nonce::from_slice(&nonce), &packet, &mut sealed).unwrap();
        packet.extend_from_slice(&sealed);
        packet.extend_from_slice(&tag);
        let mut mask = aes::Block::clone_from_slice(&packet[head.len() + 4..head.len() + 20]);
        with.header.encrypt_block(&mut mask);
        packet[0] ^= mask[0] & 0x0f;
        packet[head.len()] ^= mask[1];
        packet[head.len() + 1] ^= mask[2];
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DCID: &[u8] = b"\x83\x94\xc8\xf0\x3e\x51\x57\x08";

    /// RFC 9001 A.1 and RFC 9369 A.1.
    #[test]
    fn keys_are_those_of_the_standards() {
        let client = |version| {
            let (_, initial) = Hkdf::<Sha256>::extract(Some(&salt(version).unwrap()), DCID);
            let (key, iv, mask) = secrets(&initial, version, "client in").unwrap();
            [&key[..], &iv[..], &mask[..]].map(crate::tls::fingerprint::hex)
        };
        assert_eq!(
            client(V1),
            [
                "1f369613dd76d5467730efcbe3b1a22d",
                "fa044b2f42a3fd3b46fb255c",
                "9f50449e04a0e810283a1e9933adedd2"
            ]
        );
        assert_eq!(
            client(V2),
            [
                "8b1a0bc121284290a29e0971b5cd045d",
                "91f73e2351d8fa91660e909f",
                "45b95e15235d6f45a6b19cbcb0294ba9"
            ]
        );
    }
}
