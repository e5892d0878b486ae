//! Events of the sensor itself: `app-layer-event`, `decode-event`, `stream-event`, and `app-layer-protocol`.

use crate::app::App;
use crate::fault::{Done, Fault, unsupported, wrong};
use crate::options::{negation, unquoted};
use crate::rule::HeaderProto;
use crate::test::PacketTest;

use super::Builder;

fn plain(name: &str) -> Result<&str, Fault> {
    let name = unquoted(name).trim();
    let fits = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits { Ok(name) } else { Err(wrong(format!("{name:?} is no event"))) }
}

impl Builder<'_> {
    /// `http.invalid_response_chunk_len`
    pub(super) fn app_layer_event(&mut self, value: &str) -> Done {
        let name = plain(value)?;
        let upper = |name: &str| name.to_ascii_uppercase();
        let Some((proto, event)) = name.split_once('.') else {
            if !name.starts_with("applayer_") {
                return Err(wrong(format!("{name:?} is no event: expected protocol.event")));
            }
            let event = self.cx.text(&upper(name));
            return self.packet(PacketTest::AppEvent(None, event));
        };
        let app = App::of_name(proto).ok_or_else(|| wrong(format!("there is no protocol {proto}")))?;
        let event = self.cx.text(&upper(event));
        self.packet(PacketTest::AppEvent(Some(app), event))
    }

    /// `ipv4.trunc_pkt`; the events have `decoder.` before it.
    pub(super) fn decode_event(&mut self, value: &str) -> Done {
        let name = plain(value)?;
        if let Some(event) = name.strip_prefix("stream.") {
            return self.stream_event(event);
        }
        let event = self.cx.text(&["decoder.", name].concat());
        self.packet(PacketTest::DecodeEvent(event))
    }

    /// `reassembly_seq_gap`; the events have `stream.` before it.
    pub(super) fn stream_event(&mut self, value: &str) -> Done {
        let event = self.cx.text(&["stream.", plain(value)?].concat());
        self.packet(PacketTest::StreamEvent(event))
    }

    pub(super) fn app_layer_protocol(&mut self, value: &str) -> Done {
        let (negated, rest) = negation(unquoted(value));
        let (name, mode) = rest.split_once(',').unwrap_or((rest, "final"));
        if name.contains('|') {
            return Err(unsupported("more than one protocol"));
        }
        let mode = match mode.trim() {
            "final" => 0,
            "either" => 1,
            "to_server" => 2,
            "to_client" => 3,
            "original" => 4,
            other => return Err(wrong(format!("there is no mode {other}"))),
        };
        if matches!(self.rule.header.proto, HeaderProto::App(_)) {
            return Err(wrong("the header has a protocol already"));
        }
        let app = App::of_name(name.trim()).ok_or_else(|| wrong(format!("there is no protocol {name}")))?;
        self.packet(PacketTest::AppProtocol { app, negated, mode })
    }
}
