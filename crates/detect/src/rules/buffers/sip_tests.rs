use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::{Direction, IpProto};

use super::*;
use crate::rules::buffers::testing::{found, transactions};

const INVITE: &[u8] = b"INVITE sip:bob@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nv: SIP/2.0/UDP c\r\n\
From: A\r\n <sip:a@a>\r\nTO: <sip:bob@b>\r\nUser-Agent: phone\r\nSubject: x\r\n y\r\n\
Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n\
v=0\r\no=- 1 1 IN IP4 a\r\ns=call\r\ni=info\r\nu=http://a\r\ne=a@a\r\np=+1\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\n\
t=1 2\r\nr=7 8\r\nz=1 -1h\r\nk=prompt\r\na=sendrecv\r\n\
m=audio 1000 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 192.0.2.2\r\nk=clear:x\r\na=ptime:20\r\n";

#[test]
fn a_call_has_its_headers_and_its_session() {
    let answer = b"SIP/2.0 180 Ringing now\r\nt: x\r\n\r\n".to_vec();
    let all = transactions(
        AppProto::Sip,
        IpProto::UDP,
        5060,
        &vec![(ToServer, INVITE.to_vec()), (ToClient, answer)],
    );
    for (buffer, texts) in [
        (Buffer::SipMethod, &["INVITE"][..]),
        (Buffer::SipUri, &["sip:bob@b"]),
        (Buffer::SipProtocol, &["SIP/2.0"]),
        (Buffer::SipRequestLine, &["INVITE sip:bob@b SIP/2.0"]),
        (Buffer::SipResponseLine, &[]),
        (Buffer::SipVia, &["SIP/2.0/UDP a", "SIP/2.0/UDP c"]),
        (Buffer::SipFrom, &["A <sip:a@a>"]),
        (Buffer::SipTo, &["<sip:bob@b>"]),
        (Buffer::SipUserAgent, &["phone"]),
        (Buffer::SipContentType, &["application/sdp"]),
        (Buffer::SipContentLength, &["0"]),
        (Buffer::SdpOrigin, &["- 1 1 IN IP4 a"]),
        (Buffer::SdpSessionName, &["call"]),
        (Buffer::SdpSessionInfo, &["info"]),
        (Buffer::SdpUri, &["http://a"]),
        (Buffer::SdpEmail, &["a@a"]),
        (Buffer::SdpPhoneNumber, &["+1"]),
        (Buffer::SdpConnectionData, &["IN IP4 192.0.2.1"]),
        (Buffer::SdpBandwidth, &["AS:64"]),
        (Buffer::SdpTime, &["1 2"]),
        (Buffer::SdpRepeatTime, &["7 8"]),
        (Buffer::SdpTimezone, &["1 -1h"]),
        (Buffer::SdpEncryptionKey, &["prompt"]),
        (Buffer::SdpAttribute, &["sendrecv"]),
        (Buffer::SdpMedia, &["audio 1000 RTP/AVP 0"]),
        (Buffer::SdpMediaInfo, &["voice"]),
        (Buffer::SdpMediaConnectionData, &["IN IP4 192.0.2.2"]),
        (Buffer::SdpMediaEncryptionKey, &["clear:x"]),
    ] {
        assert_eq!(found(&all, ToServer, buffer), texts, "{buffer:?}");
    }
    for (buffer, texts) in [
        (Buffer::SipStatCode, &["180"][..]),
        (Buffer::SipStatMsg, &["Ringing now"]),
        (Buffer::SipResponseLine, &["SIP/2.0 180 Ringing now"]),
        (Buffer::SipTo, &["x"]),
        (Buffer::SipMethod, &[]),
    ] {
        assert_eq!(found(&all, ToClient, buffer), texts, "{buffer:?}");
    }
}
