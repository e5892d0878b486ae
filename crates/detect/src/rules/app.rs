//! Protocols by the names that rules give them, and by what flows were found to speak.

use proto::AppProto;
use rules::App;

/// Whether a flow that was found to speak `flow` is one that a rule of protocol `app` looks at.
///
/// As in Suricata 8: a rule of DCE/RPC also looks at SMB, whose pipes carry it; a rule of DNS over HTTPS looks at
/// whatever may carry it. Protocols that Suricata does not know have failed to be detected there, so `failed` is true
/// of them; of a flow whose protocol is open both `failed` and `unknown` are.
#[must_use]
pub fn speaks(app: App, flow: Option<AppProto>) -> bool {
    let Some(flow) = flow else { return matches!(app, App::Failed | App::Unknown) };
    let wanted: &[AppProto] = match app {
        App::BitTorrentDht => &[AppProto::BitTorrentDht],
        App::Dcerpc => &[AppProto::Dcerpc, AppProto::Smb],
        App::Dhcp => &[AppProto::Dhcp],
        App::Dnp3 => &[AppProto::Dnp3],
        App::Dns => &[AppProto::Dns],
        App::Doh2 => &[AppProto::Http2, AppProto::Http, AppProto::Dns],
        App::Enip => &[AppProto::Enip],
        App::Failed => return !is_known(flow),
        App::Ftp => &[AppProto::Ftp],
        App::FtpData => &[AppProto::FtpData],
        App::Http => &[AppProto::Http, AppProto::Http2],
        App::Http1 => &[AppProto::Http],
        App::Http2 => &[AppProto::Http2],
        App::Ike => &[AppProto::Ike],
        App::Imap => &[AppProto::Imap],
        App::Irc => &[AppProto::Irc],
        App::Krb5 => &[AppProto::Krb5],
        App::Ldap => &[AppProto::Ldap],
        App::Llmnr => &[AppProto::Llmnr],
        App::Mdns => &[AppProto::Mdns],
        App::Modbus => &[AppProto::Modbus],
        App::Mqtt => &[AppProto::Mqtt],
        App::Nfs => &[AppProto::Nfs],
        App::Ntp => &[AppProto::Ntp],
        App::Pgsql => &[AppProto::Pgsql],
        App::Pop3 => &[AppProto::Pop3],
        App::Quic => &[AppProto::Quic],
        App::Rdp => &[AppProto::Rdp],
        App::Rfb => &[AppProto::Rfb],
        App::Sip => &[AppProto::Sip],
        App::Smb => &[AppProto::Smb],
        App::Smtp => &[AppProto::Smtp],
        App::Snmp => &[AppProto::Snmp],
        App::Ssh => &[AppProto::Ssh],
        App::Telnet => &[AppProto::Telnet],
        App::Tftp => &[AppProto::Tftp],
        App::Tls => &[AppProto::Tls],
        App::WebSocket => &[AppProto::WebSocket],
        App::Unknown => &[],
    };
    wanted.contains(&flow)
}

/// Whether rules have a name for it.
fn is_known(flow: AppProto) -> bool {
    App::ALL.iter().any(|&app| !matches!(app, App::Failed | App::Unknown) && speaks(app, Some(flow)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_what_its_name_says_and_what_carries_it() {
        for (app, flow, expected) in [
            (App::Http, Some(AppProto::Http), true),
            (App::Http, Some(AppProto::Http2), true),
            (App::Http1, Some(AppProto::Http2), false),
            (App::Dcerpc, Some(AppProto::Smb), true),
            (App::Smb, Some(AppProto::Dcerpc), false),
            (App::Dns, Some(AppProto::Mdns), false),
            (App::Tls, None, false),
            (App::Failed, None, true),
            (App::Unknown, None, true),
            (App::Failed, Some(AppProto::Memcached), true),
            (App::Failed, Some(AppProto::Tls), false),
            (App::Unknown, Some(AppProto::Memcached), false),
        ] {
            assert_eq!(speaks(app, flow), expected, "{app:?} {flow:?}");
        }
    }

    #[test]
    fn names_that_both_sides_share_are_the_same_protocol() {
        for &flow in AppProto::ALL {
            if let Some(app) = App::of_name(flow.name()) {
                assert!(speaks(app, Some(flow)), "{}", flow.name());
            }
        }
    }
}
