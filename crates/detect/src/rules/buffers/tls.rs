//! What TLS and QUIC say in the clear, and what can be told from it.

use proto::Quic;
use proto::tls::{Certificate, Fingerprint, Tls, TlsSide};
use rules::{Buffer, Field};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

/// Bytes of `random` that once were the time.
const RANDOM_TIME: usize = 4;

fn side(tls: &Tls, direction: Direction) -> &TlsSide {
    let [client, server] = &tls.sides;
    match direction {
        Direction::ToServer => client,
        Direction::ToClient => server,
    }
}

fn certificate(tls: &Tls, direction: Direction) -> Option<&Certificate> {
    match direction {
        Direction::ToServer => tls.client_certificate.as_ref(),
        Direction::ToClient => tls.certificate.as_ref(),
    }
}

/// Buffers of a handshake. Of a certificate that could not be read there is only its DER.
pub(super) fn instances<'a>(tls: &'a Tls, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    let said = side(tls, direction);
    let shown = certificate(tls, direction);
    let client = direction == Direction::ToServer;
    match buffer {
        Buffer::TlsSni if client => text(tls.sni_as_sent.as_ref().or(tls.sni.as_ref()), out),
        Buffer::TlsCertSubject => text(shown.map(|c| &c.subject), out),
        Buffer::TlsCertIssuer => text(shown.map(|c| &c.issuer), out),
        Buffer::TlsCertSerial => text(shown.map(|c| &c.serial), out),
        Buffer::TlsCertFingerprint => text(shown.map(|c| &c.fingerprint), out),
        Buffer::TlsCerts => said.chain.iter().for_each(|der| out.borrow(der)),
        Buffer::TlsSubjectAltName => shown.iter().flat_map(|c| &c.names).for_each(|n| text(Some(n), out)),
        Buffer::TlsAlpn if client => tls.alpns.iter().for_each(|name| text(Some(name), out)),
        Buffer::TlsAlpn => text(tls.server_alpn.as_ref(), out),
        Buffer::TlsRandom | Buffer::TlsRandomTime | Buffer::TlsRandomBytes => {
            if let Some(random) = &said.random {
                let (time, bytes) = random.split_at(RANDOM_TIME);
                out.borrow(match buffer {
                    Buffer::TlsRandom => random,
                    Buffer::TlsRandomTime => time,
                    _ => bytes,
                });
            }
        }
        _ => fingerprints([&tls.ja3, &tls.ja3s], tls.ja4.as_ref(), direction, buffer, out),
    }
}

fn fingerprints<'a>(
    [ja3, ja3s]: [&'a Option<Fingerprint>; 2],
    ja4: Option<&'a String>,
    direction: Direction,
    buffer: Buffer,
    out: &mut Instances<'a>,
) {
    let client = direction == Direction::ToServer;
    match buffer {
        Buffer::Ja3Hash if client => text(ja3.as_ref().map(|f| &f.hash), out),
        Buffer::Ja3String if client => text(ja3.as_ref().map(|f| &f.string), out),
        Buffer::Ja4Hash if client => text(ja4, out),
        Buffer::Ja3sHash if !client => text(ja3s.as_ref().map(|f| &f.hash), out),
        Buffer::Ja3sString if !client => text(ja3s.as_ref().map(|f| &f.string), out),
        _ => {}
    }
}

/// Numbers of a handshake.
///
/// What Suricata asks of each record is asked of each side here: the version that its hello chose, and the states that
/// its messages brought about, one number each.
pub(super) fn numbers(tls: &Tls, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let said = side(tls, direction);
    let shown = certificate(tls, direction);
    let client = direction == Direction::ToServer;
    match field {
        Field::TlsVersion => said.version.into_iter().for_each(|v| each(v.into())),
        Field::SslState => {
            let hello = said.version.is_some();
            let bits = if client { [1, 4] } else { [2, 8] };
            for (bit, there) in bits.into_iter().zip([hello, said.key_exchange]) {
                if there {
                    each(bit);
                }
            }
        }
        Field::TlsCertChainLength if said.shown.is_some() => each(said.chain_length.into()),
        Field::TlsCertExpired | Field::TlsCertValid => {
            if let (Some(certificate), Some(now)) = (shown, said.shown) {
                // Suricata's "valid" is no more than the opposite of "expired".
                let expired = certificate.not_after < now;
                each(u64::from(expired == (field == Field::TlsCertExpired)));
            }
        }
        Field::TlsCertNotBefore => shown.into_iter().for_each(|c| each(seconds(c.not_before))),
        Field::TlsCertNotAfter => shown.into_iter().for_each(|c| each(seconds(c.not_after))),
        _ => {}
    }
}

/// Seconds since 1970; what was before is 1970.
fn seconds(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

/// Buffers of a packet of a QUIC handshake.
pub(super) fn quic<'a>(quic: &'a Quic, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        // As on the wire, high byte first; events have names for it.
        Buffer::QuicVersion => out.build(|out| out.extend_from_slice(&quic.version.to_be_bytes())),
        Buffer::QuicSni => text(quic.sni_as_sent.as_ref().or(quic.sni.as_ref()), out),
        Buffer::QuicUserAgent => text(quic.user_agent.as_ref(), out),
        Buffer::QuicCyuHash => text(quic.cyu.as_ref().map(|f| &f.hash), out),
        Buffer::QuicCyuString => text(quic.cyu.as_ref().map(|f| &f.string), out),
        _ => fingerprints([&quic.ja3, &quic.ja3s], quic.ja4.as_ref(), direction, buffer, out),
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
