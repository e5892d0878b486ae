//! Application protocols that a rule's header or `app-layer-protocol` can name.

macro_rules! apps {
    ($($variant:ident $name:literal $(| $alias:literal)*;)*) => {
        /// An application protocol by the name that rules give it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum App { $($variant,)* }

        impl App {
            /// All of them.
            pub const ALL: &'static [App] = &[$(App::$variant,)*];

            /// The name in rules.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(App::$variant => $name,)* }
            }

            /// The protocol of that name, whatever its case.
            #[must_use]
            pub fn of_name(name: &str) -> Option<Self> {
                let name = name.to_ascii_lowercase();
                match name.as_str() { $($name $(| $alias)* => Some(App::$variant),)* _ => None }
            }
        }
    };
}

apps! {
    BitTorrentDht "bittorrent-dht";
    Dcerpc "dcerpc";
    Dhcp "dhcp";
    Dnp3 "dnp3";
    Dns "dns";
    Doh2 "doh2";
    Enip "enip";
    Failed "failed";
    Ftp "ftp";
    FtpData "ftp-data";
    Http "http";
    Http1 "http1";
    Http2 "http2";
    Ike "ike" | "ikev2";
    Imap "imap";
    Irc "irc";
    Krb5 "krb5";
    Ldap "ldap";
    Llmnr "llmnr";
    Mdns "mdns";
    Modbus "modbus";
    Mqtt "mqtt";
    Nfs "nfs";
    Ntp "ntp";
    Pgsql "pgsql";
    Pop3 "pop3";
    Quic "quic";
    Rdp "rdp";
    Rfb "rfb";
    Sip "sip";
    Smb "smb";
    Smtp "smtp";
    Snmp "snmp";
    Ssh "ssh";
    Telnet "telnet";
    Tftp "tftp";
    Tls "tls" | "ssl";
    Unknown "unknown";
    WebSocket "websocket";
}
