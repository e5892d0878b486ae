//! Internet Key Exchange: identifiers as hexadecimal text, payloads as they are.

use proto::Ike;
use proto::ike::{IkeBody, KeyMaterial};
use rules::{Buffer, Field};

use crate::rules::view::Instances;

/// The key and nonce that a message itself brings.
fn key(ike: &Ike) -> &KeyMaterial {
    match &ike.body {
        IkeBody::V1(v1) => {
            let [client, server] = &v1.keys;
            if ike.response { server } else { client }
        }
        IkeBody::V2(v2) => &v2.key,
    }
}

/// Buffers of a message.
pub(super) fn instances<'a>(ike: &'a Ike, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::IkeInitSpi => hex(&ike.init_spi, out),
        Buffer::IkeRespSpi => hex(&ike.resp_spi, out),
        Buffer::IkeVendor => {
            if let IkeBody::V1(v1) = &ike.body {
                v1.vendor_ids.iter().for_each(|id| hex(id, out));
            }
        }
        Buffer::IkeKeyExchange => key(ike).key_exchange.iter().for_each(|key| out.borrow(key)),
        Buffer::IkeNonce => key(ike).nonce.iter().for_each(|nonce| out.borrow(nonce)),
        _ => {}
    }
}

fn hex(bytes: &[u8], out: &mut Instances<'_>) {
    out.build(|out| {
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
            }
        }
    });
}

/// Numbers of a message. What the responder has chosen are attributes by class (RFC 2409 appendix A), or transforms of
/// version 2 by type.
pub(super) fn numbers(ike: &Ike, field: Field, each: &mut dyn FnMut(u64)) {
    let (class, transform) = match field {
        Field::IkeExchangeType => return each(ike.exchange_type.into()),
        Field::IkeKeyExchangeLength => {
            return key(ike).key_exchange.iter().for_each(|key| each(key.len() as u64));
        }
        Field::IkeNonceLength => return key(ike).nonce.iter().for_each(|nonce| each(nonce.len() as u64)),
        Field::IkeChosenEncryption => (1, Some(0)),
        Field::IkeChosenHash => (2, None),
        Field::IkeChosenAuth => (3, Some(2)),
        Field::IkeChosenGroup => (4, Some(3)),
        Field::IkeChosenGroupType => (5, None),
        Field::IkeChosenLifeType => (11, None),
        Field::IkeChosenLifeDuration => (12, None),
        Field::IkeChosenPrf => (13, Some(1)),
        Field::IkeChosenKeyLength => (14, None),
        Field::IkeChosenFieldSize => (15, None),
        _ => return,
    };
    match &ike.body {
        IkeBody::V1(v1) => {
            for (_, value) in v1.chosen.0.iter().filter(|(of, _)| *of == class) {
                each((*value).into());
            }
        }
        IkeBody::V2(v2) => {
            let chosen = transform.and_then(|at: usize| *v2.chosen_ids.get(at)?);
            chosen.into_iter().for_each(|id| each(id.into()));
        }
    }
}

#[cfg(test)]
#[path = "ike_tests.rs"]
mod tests;
