//! `rdp`: a step of a connection's beginning.

use ::proto::Rdp;
use ::proto::rdp::{RdpClient, RdpStep};

use crate::json::{Object, Value};

pub(super) fn body(rdp: &Rdp) -> Value {
    let mut out = Object::new();
    out.insert("tx_id".into(), rdp.number.into());
    // The schema has no place for the protocols offered and chosen.
    let step = match &rdp.step {
        RdpStep::InitialRequest { .. } => "initial_request",
        RdpStep::InitialResponse { .. } => "initial_response",
        RdpStep::ConnectRequest(_) => "connect_request",
        RdpStep::ConnectResponse => "connect_response",
        RdpStep::TlsHandshake => "tls_handshake",
    };
    out.insert("event_type".into(), step.into());
    match &rdp.step {
        RdpStep::InitialRequest { cookie: Some(cookie), .. } => {
            out.insert("cookie".into(), cookie.clone().into());
        }
        RdpStep::ConnectRequest(client) => {
            out.insert("client".into(), self::client(client));
            if !client.channels.is_empty() {
                out.insert("channels".into(), client.channels.clone().into());
            }
        }
        _ => {}
    }
    out.into()
}

fn client(client: &RdpClient) -> Value {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Value| out.insert(name.into(), value);
    put("version", version(client.version).into());
    put("desktop_width", client.desktop.0.into());
    put("desktop_height", client.desktop.1.into());
    if let Some(depth) = client.color_depth {
        put("color_depth", depth.into());
    }
    put("keyboard_layout", layout(client.keyboard_layout).into());
    put("build", build(client.build).into());
    if !client.name.is_empty() {
        put("client_name", client.name.clone().into());
    }
    put("keyboard_type", keyboard(client.keyboard.0).into());
    put("function_keys", client.keyboard.1.into());
    if let Some(product) = client.product_id {
        put("product_id", product.into());
    }
    let capabilities: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(bit, _)| client.capabilities.is_some_and(|c| c & bit != 0))
        .map(|(_, name)| *name)
        .collect();
    if !capabilities.is_empty() {
        put("capabilities", capabilities.into());
    }
    if !client.id.is_empty() {
        put("id", client.id.clone().into());
    }
    out.into()
}

/// Early capability flags (MS-RDPBCGR section 2.2.1.3.2).
const CAPABILITIES: [(u16, &str); 10] = [
    (0x0001, "support_errinfo_pdf"),
    (0x0002, "want_32bpp_session"),
    (0x0004, "support_statusinfo_pdu"),
    (0x0008, "strong_asymmetric_keys"),
    (0x0020, "valid_connection_type"),
    (0x0040, "support_monitor_layout_pdu"),
    (0x0080, "support_netchar_autodetect"),
    (0x0100, "support_dynvc_gfx_protocol"),
    (0x0200, "support_dynamic_time_zone"),
    (0x0400, "support_heartbeat_pdu"),
];

fn version(version: u32) -> String {
    match version {
        0x0008_0001 => "v4".to_owned(),
        0x0008_0004 => "v5".to_owned(),
        0x0008_0005 => "v10.0".to_owned(),
        0x0008_0006..=0x0008_0011 => format!("v10.{}", version - 0x0008_0005),
        other => format!("unknown-{other:x}"),
    }
}

fn keyboard(kind: u32) -> String {
    match kind {
        1 => "xt",
        2 => "ico",
        3 => "at",
        4 => "enhanced",
        5 => "1050",
        6 => "9140",
        7 => "jp",
        other => return format!("unknown-{other}"),
    }
    .to_owned()
}

/// Windows locale identifiers of the usual layouts (MS-LCID).
fn layout(locale: u32) -> String {
    match locale & 0xffff {
        0x0401 => "ar-SA",
        0x0404 => "zh-TW",
        0x0405 => "cs-CZ",
        0x0406 => "da-DK",
        0x0407 => "de-DE",
        0x0408 => "el-GR",
        0x0409 => "en-US",
        0x040a => "es-ES_tradnl",
        0x040b => "fi-FI",
        0x040c => "fr-FR",
        0x040d => "he-IL",
        0x040e => "hu-HU",
        0x0410 => "it-IT",
        0x0411 => "ja-JP",
        0x0412 => "ko-KR",
        0x0413 => "nl-NL",
        0x0414 => "nb-NO",
        0x0415 => "pl-PL",
        0x0416 => "pt-BR",
        0x0418 => "ro-RO",
        0x0419 => "ru-RU",
        0x041d => "sv-SE",
        0x041f => "tr-TR",
        0x0422 => "uk-UA",
        0x0429 => "fa-IR",
        0x042a => "vi-VN",
        0x0804 => "zh-CN",
        0x0807 => "de-CH",
        0x0809 => "en-GB",
        0x080a => "es-MX",
        0x080c => "fr-BE",
        0x0816 => "pt-PT",
        0x0c0a => "es-ES",
        0x0c0c => "fr-CA",
        0x1009 => "en-CA",
        _ => return format!("unknown-{locale:x}"),
    }
    .to_owned()
}

/// Build numbers of Windows as clients tell them.
fn build(build: u32) -> String {
    match build {
        2195 => "Windows 2000",
        2600 => "Windows XP",
        3790 => "Windows Server 2003",
        6000 => "Windows Vista RTM",
        6001 => "Windows Vista SP1",
        6002 => "Windows Vista SP2",
        7600 => "Windows 7 RTM",
        7601 => "Windows 7 SP1",
        9200 => "Windows 8",
        9600 => "Windows 8.1",
        10240 => "Windows 10 v1507",
        10586 => "Windows 10 v1511",
        14393 => "Windows 10 v1607",
        15063 => "Windows 10 v1703",
        16299 => "Windows 10 v1709",
        17134 => "Windows 10 v1803",
        17763 => "Windows 10 v1809",
        18362 => "Windows 10 v1903",
        18363 => "Windows 10 v1909",
        other => return format!("unknown-{other}"),
    }
    .to_owned()
}
