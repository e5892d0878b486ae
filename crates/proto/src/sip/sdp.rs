//! Session descriptions (RFC 8866), as far as EVE tells them and media can be announced from them.

use std::net::IpAddr;

use wire::Endpoint;

use crate::dns::text;

/// Lines of one description.
const MAX_LINES: usize = 256;
/// Bytes of a line that are kept.
const MAX_LINE: usize = 512;
/// Media of one description that are announced.
const MAX_MEDIA: usize = 8;

/// When a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeDescription {
    /// "t=".
    pub time: String,
    /// "r=".
    pub repeat_time: Option<String>,
}

/// One medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaDescription {
    /// "m=".
    pub media: String,
    /// "i=".
    pub media_info: Option<String>,
    /// "c=".
    pub connection_data: Option<String>,
    /// "b=".
    pub bandwidths: Vec<String>,
    /// "k=".
    pub encryption_key: Option<String>,
    /// "a=".
    pub attributes: Vec<String>,
}

/// A session's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sdp {
    /// "o=".
    pub origin: String,
    /// "s=".
    pub session_name: String,
    /// "i=".
    pub session_info: Option<String>,
    /// "u=".
    pub uri: Option<String>,
    /// "e=".
    pub email: Option<String>,
    /// "p=".
    pub phone_number: Option<String>,
    /// "c=".
    pub connection_data: Option<String>,
    /// "b=".
    pub bandwidths: Vec<String>,
    /// "t=" and "r=".
    pub time_descriptions: Vec<TimeDescription>,
    /// "z=".
    pub timezone: Option<String>,
    /// "k=".
    pub encryption_key: Option<String>,
    /// "a=".
    pub attributes: Vec<String>,
    /// "m=" and what belongs to it.
    pub media_descriptions: Vec<MediaDescription>,
}

impl Sdp {
    /// Where RTP will be received.
    pub(super) fn media_ends(&self) -> impl Iterator<Item = Endpoint> {
        let ends = self.media_descriptions.iter().filter_map(|medium| {
            // "audio 30000 RTP/AVP 0 8", "IN IP4 192.0.2.1"; a port may be followed by "/2".
            let mut words = medium.media.split(' ').skip(1);
            let port = words.next()?.split('/').next()?.parse().ok().filter(|&port| port != 0)?;
            words.next().filter(|proto| proto.contains("RTP/"))?;
            let connection = medium.connection_data.as_deref().or(self.connection_data.as_deref())?;
            let ip: IpAddr = connection.split(' ').nth(2)?.split('/').next()?.parse().ok()?;
            Some(Endpoint { ip, port })
        });
        ends.take(MAX_MEDIA)
    }
}

/// Reads a description. `None` without version, origin, session and time. Counts what limits keep out.
pub(super) fn parse(body: &[u8], limits: &mut u32) -> Option<Sdp> {
    let mut sdp = Sdp::default();
    let (mut versioned, mut originated, mut named) = (false, false, false);
    for (at, line) in body.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        if at == MAX_LINES {
            *limits = limits.saturating_add(1);
            break;
        }
        let (&[kind, b'='], value) = line.split_first_chunk::<2>()? else { return None };
        let value = text(&value[..value.len().min(MAX_LINE)]);
        match (kind, sdp.media_descriptions.last_mut()) {
            (b'v', _) => versioned = true,
            (b'o', _) => (sdp.origin, originated) = (value, true),
            (b's', _) => (sdp.session_name, named) = (value, true),
            (b'm', _) => {
                sdp.media_descriptions.push(MediaDescription { media: value, ..MediaDescription::default() });
            }
            (b'i', Some(medium)) => medium.media_info = Some(value),
            (b'i', None) => sdp.session_info = Some(value),
            (b'u', _) => sdp.uri = Some(value),
            (b'e', _) => sdp.email = Some(value),
            (b'p', _) => sdp.phone_number = Some(value),
            (b'c', Some(medium)) => medium.connection_data = Some(value),
            (b'c', None) => sdp.connection_data = Some(value),
            (b'b', Some(medium)) => medium.bandwidths.push(value),
            (b'b', None) => sdp.bandwidths.push(value),
            (b't', _) => sdp.time_descriptions.push(TimeDescription { time: value, repeat_time: None }),
            (b'r', _) => sdp.time_descriptions.last_mut()?.repeat_time = Some(value),
            (b'z', _) => sdp.timezone = Some(value),
            (b'k', Some(medium)) => medium.encryption_key = Some(value),
            (b'k', None) => sdp.encryption_key = Some(value),
            (b'a', Some(medium)) => medium.attributes.push(value),
            (b'a', None) => sdp.attributes.push(value),
            _ => {}
        }
    }
    (versioned && originated && named && !sdp.time_descriptions.is_empty()).then_some(sdp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_found_where_they_are_received() {
        let body = b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 30000 RTP/AVP 0\r\na=sendrecv\r\nm=video 0 RTP/AVP 31\r\nm=audio 4000/2 RTP/SAVP 0\r\nc=IN IP6 ::1\r\n";
        let sdp = parse(body, &mut 0).unwrap();
        let ends: Vec<String> = sdp.media_ends().map(|end| format!("{} {}", end.ip, end.port)).collect();
        assert_eq!(ends, ["192.0.2.1 30000", "::1 4000"]);
        assert_eq!(sdp.media_descriptions[0].attributes, ["sendrecv"]);
        assert_eq!(parse(b"v=0\r\ns=x\r\n", &mut 0), None);
    }
}
