//! Everything that contents can be matched on: the sticky buffers of Suricata 8.
//!
//! One table tells all that the rest needs to know of each: the keywords that select it, which sides of a transaction
//! have it, from when on it is known, which protocols carry it, and whether a transaction can have several.

use crate::app::App;

/// Which side's packets a buffer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Client to server.
    Request,
    /// Server to client.
    Response,
    /// Each side has its own.
    Both,
}

/// How far a side of a transaction has to be for a buffer to be whole. In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// The side's first part is known: an HTTP head, a TLS hello, a whole DNS message.
    Head = 0,
    /// The side is complete, its body included.
    Done = 1,
}

/// What is known of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct BufferInfo {
    /// The buffer.
    pub buffer: Buffer,
    /// Its names in rules, the current one first.
    pub keywords: &'static [&'static str],
    /// Older keywords that modify the content before them.
    pub modifiers: &'static [&'static str],
    /// Which sides have it.
    pub sides: Sides,
    /// When it is whole.
    pub stage: Stage,
    /// Protocols that carry it; empty: it is of packets or flows.
    pub apps: &'static [App],
    /// A transaction can have several.
    pub multiple: bool,
}

macro_rules! buffers {
    ($($variant:ident [$($keyword:literal)*] [$($modifier:literal)*] $sides:ident $stage:ident [$($app:ident)*] $multiple:literal;)*) => {
        /// Something that contents are matched on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        #[repr(u8)]
        pub enum Buffer { $($variant,)* }

        impl Buffer {
            /// The table, in the order of the variants.
            pub const TABLE: &'static [BufferInfo] = &[$(BufferInfo {
                buffer: Buffer::$variant,
                keywords: &[$($keyword,)*],
                modifiers: &[$($modifier,)*],
                sides: Sides::$sides,
                stage: Stage::$stage,
                apps: &[$(App::$app,)*],
                multiple: $multiple,
            },)*];
        }
    };
}

buffers! {
    // Packets and streams. Payload is what a content without a sticky buffer looks at.
    Payload ["pkt_data"] [] Both Head [] false;
    IpV4Header ["ipv4.hdr"] [] Both Head [] false;
    IpV6Header ["ipv6.hdr"] [] Both Head [] false;
    TcpHeader ["tcp.hdr"] [] Both Head [] false;
    UdpHeader ["udp.hdr"] [] Both Head [] false;
    IcmpV4Header ["icmpv4.hdr"] [] Both Head [] false;
    IcmpV6Header ["icmpv6.hdr"] [] Both Head [] false;
    IgmpHeader ["igmp.hdr"] [] Both Head [] false;
    IpSource ["ip.src"] [] Both Head [] false;
    IpDestination ["ip.dst"] [] Both Head [] false;
    // Files and mails.
    FileData ["file.data" "file_data"] [] Both Done [Http Http1 Http2 Smtp Smb Nfs FtpData Ftp] true;
    FileName ["file.name"] [] Both Done [Http Http1 Http2 Smtp Smb Nfs FtpData Ftp] true;
    FileMagic ["file.magic"] [] Both Done [Http Http1 Http2 Smtp Smb Nfs FtpData Ftp] true;
    MimeUrl ["email.url"] [] Request Done [Smtp] true;
    MimeReceived ["email.received"] [] Request Done [Smtp] true;
    MimeFrom ["email.from"] [] Request Done [Smtp] false;
    MimeTo ["email.to"] [] Request Done [Smtp] false;
    MimeCc ["email.cc"] [] Request Done [Smtp] false;
    MimeSubject ["email.subject"] [] Request Done [Smtp] false;
    MimeDate ["email.date"] [] Request Done [Smtp] false;
    MimeMessageId ["email.message_id"] [] Request Done [Smtp] false;
    MimeXMailer ["email.x_mailer"] [] Request Done [Smtp] false;
    SmtpHelo ["smtp.helo"] [] Request Head [Smtp] false;
    SmtpMailFrom ["smtp.mail_from"] [] Request Head [Smtp] false;
    SmtpRcptTo ["smtp.rcpt_to"] [] Request Head [Smtp] true;
    // HTTP/1 and HTTP/2.
    HttpUri ["http.uri"] ["http_uri"] Request Head [Http Http1 Http2] false;
    HttpRawUri ["http.uri.raw"] ["http_raw_uri"] Request Head [Http Http1 Http2] false;
    HttpMethod ["http.method"] ["http_method"] Request Head [Http Http1 Http2] false;
    HttpProtocol ["http.protocol"] [] Both Head [Http Http1 Http2] false;
    HttpRequestLine ["http.request_line" "http_request_line"] [] Request Head [Http Http1 Http2] false;
    HttpResponseLine ["http.response_line" "http_response_line"] [] Response Head [Http Http1 Http2] false;
    HttpHeader ["http.header"] ["http_header"] Both Head [Http Http1 Http2] false;
    HttpRawHeader ["http.header.raw"] ["http_raw_header"] Both Head [Http Http1 Http2] false;
    HttpRequestHeader ["http.request_header"] [] Request Head [Http Http1 Http2] true;
    HttpResponseHeader ["http.response_header"] [] Response Head [Http Http1 Http2] true;
    HttpHeaderNames ["http.header_names" "http_header_names"] [] Both Head [Http Http1 Http2] false;
    HttpStart ["http.start" "http_start"] [] Both Head [Http Http1 Http2] false;
    HttpHost ["http.host"] ["http_host"] Request Head [Http Http1 Http2] false;
    HttpRawHost ["http.host.raw"] ["http_raw_host"] Request Head [Http Http1 Http2] false;
    HttpUserAgent ["http.user_agent"] ["http_user_agent"] Request Head [Http Http1 Http2] false;
    HttpReferer ["http.referer" "http_referer"] [] Request Head [Http Http1 Http2] false;
    HttpAccept ["http.accept" "http_accept"] [] Request Head [Http Http1 Http2] false;
    HttpAcceptLang ["http.accept_lang" "http_accept_lang"] [] Request Head [Http Http1 Http2] false;
    HttpAcceptEnc ["http.accept_enc" "http_accept_enc"] [] Request Head [Http Http1 Http2] false;
    HttpConnection ["http.connection" "http_connection"] [] Both Head [Http Http1 Http2] false;
    HttpContentLen ["http.content_len" "http_content_len"] [] Both Head [Http Http1 Http2] false;
    HttpContentType ["http.content_type" "http_content_type"] [] Both Head [Http Http1 Http2] false;
    HttpCookie ["http.cookie"] ["http_cookie"] Both Head [Http Http1 Http2] false;
    HttpLocation ["http.location"] [] Response Head [Http Http1 Http2] false;
    HttpServer ["http.server"] [] Response Head [Http Http1 Http2] false;
    HttpStatCode ["http.stat_code"] ["http_stat_code"] Response Head [Http Http1 Http2] false;
    HttpStatMsg ["http.stat_msg"] ["http_stat_msg"] Response Head [Http Http1 Http2] false;
    HttpRequestBody ["http.request_body"] ["http_client_body"] Request Done [Http Http1 Http2] false;
    HttpResponseBody ["http.response_body" "http.server_body"] ["http_server_body"] Response Done [Http Http1 Http2] false;
    Http2HeaderName ["http2.header_name"] [] Both Head [Http2] true;
    // DNS. Every message is a transaction of its own.
    DnsQuery ["dns.query" "dns_query"] [] Request Head [Dns Doh2] true;
    DnsQueriesName ["dns.queries.rrname" "dns.query.name"] [] Both Head [Dns Doh2] true;
    DnsAnswersName ["dns.answers.rrname" "dns.answer.name"] [] Both Head [Dns Doh2] true;
    DnsAuthoritiesName ["dns.authorities.rrname"] [] Both Head [Dns Doh2] true;
    DnsAdditionalsName ["dns.additionals.rrname"] [] Both Head [Dns Doh2] true;
    DnsResponseName ["dns.response.rrname"] [] Response Head [Dns Doh2] true;
    MdnsQueriesName ["mdns.queries.rrname"] [] Both Head [Mdns] true;
    MdnsAnswersName ["mdns.answers.rrname"] [] Both Head [Mdns] true;
    MdnsAuthoritiesName ["mdns.authorities.rrname"] [] Both Head [Mdns] true;
    MdnsAdditionalsName ["mdns.additionals.rrname"] [] Both Head [Mdns] true;
    MdnsResponseName ["mdns.response.rrname"] [] Both Head [Mdns] true;
    // TLS. What the server says is whole when its flight is over.
    TlsSni ["tls.sni" "tls_sni"] [] Request Head [Tls] false;
    TlsCertSubject ["tls.cert_subject" "tls_cert_subject" "tls.subject"] [] Both Done [Tls] false;
    TlsCertIssuer ["tls.cert_issuer" "tls_cert_issuer" "tls.issuerdn"] [] Both Done [Tls] false;
    TlsCertSerial ["tls.cert_serial" "tls_cert_serial"] [] Both Done [Tls] false;
    TlsCertFingerprint ["tls.cert_fingerprint" "tls_cert_fingerprint" "tls.fingerprint"] [] Both Done [Tls] false;
    TlsCerts ["tls.certs" "tls_certs"] [] Both Done [Tls] true;
    TlsSubjectAltName ["tls.subjectaltname"] [] Response Done [Tls] true;
    TlsAlpn ["tls.alpn"] [] Both Done [Tls] true;
    TlsRandom ["tls.random"] [] Both Done [Tls] false;
    TlsRandomTime ["tls.random_time"] [] Both Done [Tls] false;
    TlsRandomBytes ["tls.random_bytes"] [] Both Done [Tls] false;
    Ja3Hash ["ja3.hash" "ja3_hash"] [] Request Head [Tls Quic] false;
    Ja3String ["ja3.string" "ja3_string"] [] Request Head [Tls Quic] false;
    Ja3sHash ["ja3s.hash" "ja3s_hash"] [] Response Done [Tls Quic] false;
    Ja3sString ["ja3s.string"] [] Response Done [Tls Quic] false;
    Ja4Hash ["ja4.hash"] [] Request Head [Tls Quic] false;
    QuicVersion ["quic.version"] [] Both Head [Quic] false;
    QuicSni ["quic.sni"] [] Request Head [Quic] false;
    QuicUserAgent ["quic.ua"] [] Request Head [Quic] false;
    QuicCyuHash ["quic.cyu.hash"] [] Request Head [Quic] true;
    QuicCyuString ["quic.cyu.string"] [] Request Head [Quic] true;
    // SSH.
    SshProto ["ssh.proto" "ssh_proto"] [] Both Done [Ssh] false;
    SshSoftware ["ssh.software" "ssh_software" "ssh.softwareversion"] [] Both Done [Ssh] false;
    SshHassh ["ssh.hassh"] [] Request Done [Ssh] false;
    SshHasshString ["ssh.hassh.string"] [] Request Done [Ssh] false;
    SshHasshServer ["ssh.hassh.server"] [] Response Done [Ssh] false;
    SshHasshServerString ["ssh.hassh.server.string"] [] Response Done [Ssh] false;
    // Windows.
    DceStubData ["dcerpc.stub_data" "dce_stub_data"] [] Both Done [Dcerpc Smb] false;
    SmbNamedPipe ["smb.named_pipe" "smb_named_pipe"] [] Request Done [Smb] false;
    SmbShare ["smb.share" "smb_share"] [] Request Done [Smb] false;
    SmbNtlmsspUser ["smb.ntlmssp_user"] [] Request Done [Smb] false;
    SmbNtlmsspDomain ["smb.ntlmssp_domain"] [] Request Done [Smb] false;
    Krb5Cname ["krb5.cname" "krb5_cname"] [] Both Done [Krb5] true;
    Krb5Sname ["krb5.sname" "krb5_sname"] [] Both Done [Krb5] true;
    LdapRequestDn ["ldap.request.dn"] [] Request Done [Ldap] false;
    LdapRequestAttribute ["ldap.request.attribute_type"] [] Request Done [Ldap] true;
    LdapResponsesDn ["ldap.responses.dn"] [] Response Done [Ldap] true;
    LdapResponsesMessage ["ldap.responses.message"] [] Response Done [Ldap] true;
    LdapResponsesAttribute ["ldap.responses.attribute_type"] [] Response Done [Ldap] true;
    // Others.
    SnmpCommunity ["snmp.community"] [] Both Done [Snmp] false;
    SnmpUsm ["snmp.usm"] [] Both Done [Snmp] false;
    SipMethod ["sip.method"] [] Request Done [Sip] false;
    SipUri ["sip.uri"] [] Request Done [Sip] false;
    SipProtocol ["sip.protocol"] [] Both Done [Sip] false;
    SipStatCode ["sip.stat_code"] [] Response Done [Sip] false;
    SipStatMsg ["sip.stat_msg"] [] Response Done [Sip] false;
    SipRequestLine ["sip.request_line"] [] Request Done [Sip] false;
    SipResponseLine ["sip.response_line"] [] Response Done [Sip] false;
    SipFrom ["sip.from"] [] Both Done [Sip] true;
    SipTo ["sip.to"] [] Both Done [Sip] true;
    SipVia ["sip.via"] [] Both Done [Sip] true;
    SipUserAgent ["sip.user_agent"] [] Both Done [Sip] true;
    SipContentType ["sip.content_type"] [] Both Done [Sip] true;
    SipContentLength ["sip.content_length"] [] Both Done [Sip] true;
    SdpSessionName ["sdp.session_name"] [] Both Done [Sip] false;
    SdpOrigin ["sdp.origin"] [] Both Done [Sip] false;
    SdpSessionInfo ["sdp.session_info"] [] Both Done [Sip] false;
    SdpUri ["sdp.uri"] [] Both Done [Sip] false;
    SdpEmail ["sdp.email"] [] Both Done [Sip] false;
    SdpPhoneNumber ["sdp.phone_number"] [] Both Done [Sip] false;
    SdpConnectionData ["sdp.connection_data"] [] Both Done [Sip] false;
    SdpBandwidth ["sdp.bandwidth"] [] Both Done [Sip] true;
    SdpTime ["sdp.time"] [] Both Done [Sip] true;
    SdpRepeatTime ["sdp.repeat_time"] [] Both Done [Sip] true;
    SdpTimezone ["sdp.timezone"] [] Both Done [Sip] false;
    SdpEncryptionKey ["sdp.encryption_key"] [] Both Done [Sip] false;
    SdpAttribute ["sdp.attribute"] [] Both Done [Sip] true;
    SdpMedia ["sdp.media.media"] [] Both Done [Sip] true;
    SdpMediaInfo ["sdp.media.media_info" "sdp.media.session_info"] [] Both Done [Sip] true;
    SdpMediaConnectionData ["sdp.media.connection_data"] [] Both Done [Sip] true;
    SdpMediaEncryptionKey ["sdp.media.encryption_key"] [] Both Done [Sip] true;
    MqttConnectClientId ["mqtt.connect.clientid"] [] Request Done [Mqtt] false;
    MqttConnectUsername ["mqtt.connect.username"] [] Request Done [Mqtt] false;
    MqttConnectPassword ["mqtt.connect.password"] [] Request Done [Mqtt] false;
    MqttConnectWillTopic ["mqtt.connect.willtopic"] [] Request Done [Mqtt] false;
    MqttConnectWillMessage ["mqtt.connect.willmessage"] [] Request Done [Mqtt] false;
    MqttConnectProtocolString ["mqtt.connect.protocol_string"] [] Request Done [Mqtt] false;
    MqttPublishTopic ["mqtt.publish.topic"] [] Both Done [Mqtt] false;
    MqttPublishMessage ["mqtt.publish.message"] [] Both Done [Mqtt] false;
    MqttSubscribeTopic ["mqtt.subscribe.topic"] [] Request Done [Mqtt] true;
    MqttUnsubscribeTopic ["mqtt.unsubscribe.topic"] [] Request Done [Mqtt] true;
    RfbName ["rfb.name"] [] Response Done [Rfb] false;
    PgsqlQuery ["pgsql.query"] [] Request Done [Pgsql] false;
    FtpCommand ["ftp.command"] [] Request Done [Ftp] false;
    FtpCommandData ["ftp.command_data"] [] Request Done [Ftp] false;
    FtpReply ["ftp.reply"] [] Response Done [Ftp] true;
    FtpCompletionCode ["ftp.completion_code"] [] Response Done [Ftp] true;
    IkeInitSpi ["ike.init_spi"] [] Both Done [Ike] false;
    IkeRespSpi ["ike.resp_spi"] [] Both Done [Ike] false;
    IkeVendor ["ike.vendor"] [] Both Done [Ike] true;
    IkeKeyExchange ["ike.key_exchange_payload"] [] Both Done [Ike] false;
    IkeNonce ["ike.nonce_payload"] [] Both Done [Ike] false;
    WebSocketPayload ["websocket.payload"] [] Both Done [WebSocket] false;
    EnipProductName ["enip.product_name"] [] Response Done [Enip] false;
    EnipServiceName ["enip.service_name"] [] Response Done [Enip] false;
    TftpFile ["tftp.file"] [] Request Done [Tftp] false;
    Dnp3Data ["dnp3.data" "dnp3_data"] [] Both Done [Dnp3] false;
    NtpReferenceId ["ntp.reference_id"] [] Both Done [Ntp] false;
}

impl Buffer {
    /// What is known of it.
    #[must_use]
    pub fn info(self) -> &'static BufferInfo {
        // The table has a row for each variant, in their order.
        &Self::TABLE[self as usize]
    }

    /// The buffer that a sticky keyword selects.
    #[must_use]
    pub fn of_keyword(keyword: &str) -> Option<Self> {
        Self::TABLE.iter().find(|info| info.keywords.contains(&keyword)).map(|info| info.buffer)
    }

    /// The buffer that an older keyword moves the content before it to.
    #[must_use]
    pub fn of_modifier(keyword: &str) -> Option<Self> {
        Self::TABLE.iter().find(|info| info.modifiers.contains(&keyword)).map(|info| info.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_selects_one_buffer() {
        let mut all: Vec<&str> = Buffer::TABLE
            .iter()
            .flat_map(|info| info.keywords.iter().chain(info.modifiers))
            .copied()
            .collect();
        let total = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), total);
        assert!(Buffer::TABLE.iter().enumerate().all(|(at, info)| info.buffer as usize == at));
    }
}
