//! SIP messages and the sessions that they describe.

use proto::sip::{Sdp, Sip, SipHeader, Start};
use rules::Buffer;

use super::text;
use crate::rules::view::Instances;

/// Buffers of a message.
pub(super) fn instances<'a>(sip: &'a Sip, buffer: Buffer, out: &mut Instances<'a>) {
    let header = match (buffer, &sip.start) {
        (Buffer::SipProtocol, _) => return text(Some(&sip.version), out),
        (Buffer::SipMethod, Start::Request { method, .. }) => return text(Some(method), out),
        (Buffer::SipUri, Start::Request { uri, .. }) => return text(Some(uri), out),
        (Buffer::SipStatCode, Start::Response { code, .. }) => return text(Some(code), out),
        (Buffer::SipStatMsg, Start::Response { reason, .. }) => return text(Some(reason), out),
        (Buffer::SipRequestLine, Start::Request { .. })
        | (Buffer::SipResponseLine, Start::Response { .. }) => return text(Some(&sip.line), out),
        (Buffer::SipFrom, _) => SipHeader::From,
        (Buffer::SipTo, _) => SipHeader::To,
        (Buffer::SipVia, _) => SipHeader::Via,
        (Buffer::SipUserAgent, _) => SipHeader::UserAgent,
        (Buffer::SipContentType, _) => SipHeader::ContentType,
        (Buffer::SipContentLength, _) => SipHeader::ContentLength,
        _ => {
            if let Some(sdp) = &sip.sdp {
                session(sdp, buffer, out);
            }
            return;
        }
    };
    for (_, value) in sip.headers.iter().filter(|(name, _)| *name == header) {
        text(Some(value), out);
    }
}

/// Lines of a session's description, without their letter.
fn session<'a>(sdp: &'a Sdp, buffer: Buffer, out: &mut Instances<'a>) {
    let media = &sdp.media_descriptions;
    match buffer {
        Buffer::SdpOrigin => text(Some(&sdp.origin), out),
        Buffer::SdpSessionName => text(Some(&sdp.session_name), out),
        Buffer::SdpSessionInfo => text(sdp.session_info.as_ref(), out),
        Buffer::SdpUri => text(sdp.uri.as_ref(), out),
        Buffer::SdpEmail => text(sdp.email.as_ref(), out),
        Buffer::SdpPhoneNumber => text(sdp.phone_number.as_ref(), out),
        Buffer::SdpConnectionData => text(sdp.connection_data.as_ref(), out),
        Buffer::SdpBandwidth => sdp.bandwidths.iter().for_each(|line| text(Some(line), out)),
        Buffer::SdpTime => sdp.time_descriptions.iter().for_each(|t| text(Some(&t.time), out)),
        Buffer::SdpRepeatTime => {
            sdp.time_descriptions.iter().for_each(|t| text(t.repeat_time.as_ref(), out));
        }
        Buffer::SdpTimezone => text(sdp.timezone.as_ref(), out),
        Buffer::SdpEncryptionKey => text(sdp.encryption_key.as_ref(), out),
        Buffer::SdpAttribute => sdp.attributes.iter().for_each(|line| text(Some(line), out)),
        Buffer::SdpMedia => media.iter().for_each(|m| text(Some(&m.media), out)),
        Buffer::SdpMediaInfo => media.iter().for_each(|m| text(m.media_info.as_ref(), out)),
        Buffer::SdpMediaConnectionData => media.iter().for_each(|m| text(m.connection_data.as_ref(), out)),
        Buffer::SdpMediaEncryptionKey => media.iter().for_each(|m| text(m.encryption_key.as_ref(), out)),
        _ => {}
    }
}

#[cfg(test)]
#[path = "sip_tests.rs"]
mod tests;
