//! `rfb`: the beginning of a VNC connection.

use crate::json::{Object, Value, json};
use crate::text::hex;
use ::proto::Rfb;
use ::proto::rfb::Framebuffer;

pub(super) fn body(rfb: &Rfb) -> Value {
    let mut out = Object::new();
    let versions =
        [("server_protocol_version", &rfb.server_version), ("client_protocol_version", &rfb.client_version)];
    for (name, version) in versions {
        if let Some((major, minor)) = version {
            out.insert(name.into(), json!({"major": major, "minor": minor}));
        }
    }
    let mut authentication = Object::new();
    if let Some(kind) = rfb.security_type {
        authentication.insert("security_type".into(), kind.into());
    }
    let mut vnc = Object::new();
    for (name, bytes) in [("challenge", rfb.challenge), ("response", rfb.response)] {
        if let Some(bytes) = bytes {
            vnc.insert(name.into(), hex(&bytes).into());
        }
    }
    if !vnc.is_empty() {
        authentication.insert("vnc".into(), vnc.into());
    }
    if let Some(result) = rfb.security_result {
        let result = match result {
            0 => "OK".to_owned(),
            1 => "FAIL".to_owned(),
            2 => "TOOMANY".to_owned(),
            other => format!("UNKNOWN ({other})"),
        };
        authentication.insert("security_result".into(), result.into());
    }
    out.insert("authentication".into(), authentication.into());
    if let Some(shared) = rfb.shared {
        out.insert("screen_shared".into(), shared.into());
    }
    if let Some(framebuffer) = &rfb.framebuffer {
        out.insert("framebuffer".into(), screen(framebuffer));
    }
    out.into()
}

fn screen(framebuffer: &Framebuffer) -> Value {
    let format = &framebuffer.pixel_format;
    json!({
        "width": framebuffer.width,
        "height": framebuffer.height,
        "name": &framebuffer.name,
        "pixel_format": json!({
            "bits_per_pixel": format.bits_per_pixel,
            "depth": format.depth,
            "big_endian": format.big_endian,
            "true_color": format.true_color,
            "red_max": format.max[0],
            "green_max": format.max[1],
            "blue_max": format.max[2],
            "red_shift": format.shift[0],
            "green_shift": format.shift[1],
            "blue_shift": format.shift[2],
        }),
    })
}
