//! Numbers of application protocols that rules compare: `dns.opcode`, `krb5_err_code`, `mqtt.type` ...
//!
//! Names of values ("GET", "CONNACK") are numbers by the time that a rule is read. What several values of one
//! transaction can fulfil is fulfilled by any of them.

use crate::app::App;
use crate::buffer::{Sides, Stage};

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field.
    pub field: Field,
    /// Its names in rules, the current one first.
    pub keywords: &'static [&'static str],
    /// Which sides have it.
    pub sides: Sides,
    /// When it is known.
    pub stage: Stage,
    /// Protocols that carry it.
    pub apps: &'static [App],
}

macro_rules! fields {
    ($($variant:ident [$($keyword:literal)*] $sides:ident $stage:ident [$($app:ident)*];)*) => {
        /// A number of a transaction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        #[repr(u8)]
        pub enum Field { $($variant,)* }

        impl Field {
            /// The table, in the order of the variants.
            pub const TABLE: &'static [FieldInfo] = &[$(FieldInfo {
                field: Field::$variant,
                keywords: &[$($keyword,)*],
                sides: Sides::$sides,
                stage: Stage::$stage,
                apps: &[$(App::$app,)*],
            },)*];
        }
    };
}

fields! {
    HttpUriLength ["urilen"] Request Head [Http Http1 Http2];
    HttpRawUriLength ["urilen:raw"] Request Head [Http Http1 Http2];
    FileSize ["filesize"] Both Done [Http Http1 Http2 Smtp Smb Nfs FtpData Ftp];
    DnsOpcode ["dns.opcode"] Both Head [Dns Doh2];
    DnsRcode ["dns.rcode"] Both Head [Dns Doh2];
    DnsRrtype ["dns.rrtype"] Both Head [Dns Doh2];
    // 0x0300 for SSL 3.0, 0x0301 for TLS 1.0 and so on.
    TlsVersion ["tls.version" "ssl_version"] Both Head [Tls];
    // Bit 0 ClientHello, 1 ServerHello, 2 client key exchange, 3 server key exchange, 4 unknown.
    SslState ["ssl_state"] Both Done [Tls];
    TlsCertChainLength ["tls.cert_chain_len"] Both Done [Tls];
    // Whether the leaf has run out at the time of the packet: 1 or 0; not valid yet is 0 too.
    TlsCertExpired ["tls_cert_expired"] Response Done [Tls];
    TlsCertValid ["tls_cert_valid"] Response Done [Tls];
    // Seconds since 1970.
    TlsCertNotBefore ["tls_cert_notbefore"] Response Done [Tls];
    TlsCertNotAfter ["tls_cert_notafter"] Response Done [Tls];
    // Major version times 65536 and minor version.
    SshProtoVersion ["ssh.protoversion"] Both Done [Ssh];
    SmbVersion ["smb.version"] Both Done [Smb];
    DcerpcOpnum ["dcerpc.opnum" "dce_opnum"] Both Done [Dcerpc Smb];
    Krb5MessageType ["krb5_msg_type"] Both Done [Krb5];
    Krb5ErrorCode ["krb5_err_code"] Both Done [Krb5];
    Krb5WeakEncryption ["krb5.weak_encryption"] Both Done [Krb5];
    Krb5Malformed ["krb5.malformed"] Both Done [Krb5];
    Krb5TicketEncryption ["krb5.ticket_encryption"] Both Done [Krb5];
    LdapRequestOperation ["ldap.request.operation"] Request Done [Ldap];
    LdapResponsesOperation ["ldap.responses.operation"] Response Done [Ldap];
    LdapResponsesCount ["ldap.responses.count"] Response Done [Ldap];
    LdapResponsesResultCode ["ldap.responses.result_code"] Response Done [Ldap];
    SnmpVersion ["snmp.version"] Both Done [Snmp];
    SnmpPduType ["snmp.pdu_type"] Both Done [Snmp];
    MqttProtocolVersion ["mqtt.protocol_version"] Both Done [Mqtt];
    MqttType ["mqtt.type"] Both Done [Mqtt];
    // Bit 0 dup, 1 retain.
    MqttFlags ["mqtt.flags"] Both Done [Mqtt];
    MqttQos ["mqtt.qos"] Both Done [Mqtt];
    MqttReasonCode ["mqtt.reason_code" "mqtt.connack.return_code"] Both Done [Mqtt];
    // Bits as in MQTT's connect flags: 7 username, 6 password, 5 will retain, 2 will, 1 clean session.
    MqttConnectFlags ["mqtt.connect.flags"] Request Done [Mqtt];
    MqttConnackSessionPresent ["mqtt.connack.session_present"] Response Done [Mqtt];
    RfbSecurityType ["rfb.sectype"] Request Done [Rfb];
    RfbSecurityResult ["rfb.secresult"] Response Done [Rfb];
    NfsProcedure ["nfs_procedure"] Request Done [Nfs];
    NfsVersion ["nfs.version" "nfs_version"] Request Done [Nfs];
    Dnp3Function ["dnp3_func"] Both Done [Dnp3];
    Dnp3Indicators ["dnp3_ind"] Response Done [Dnp3];
    // Group times 256 and variation.
    Dnp3Object ["dnp3_obj"] Both Done [Dnp3];
    ModbusFunction ["modbus:function"] Request Done [Modbus];
    ModbusSubfunction ["modbus:subfunction"] Request Done [Modbus];
    ModbusUnit ["modbus:unit"] Request Done [Modbus];
    ModbusAddress ["modbus:address"] Request Done [Modbus];
    ModbusValue ["modbus:value"] Request Done [Modbus];
    // Bits of the function's kind: 0 read, 1 write, 2 coils, 3 discretes, 4 input, 5 holding.
    ModbusAccess ["modbus:access"] Request Done [Modbus];
    // Bits of what the function's number is: 0 public and assigned, 1 public and unassigned, 2 user's, 3 reserved.
    ModbusCategory ["modbus:category"] Request Done [Modbus];
    EnipCommand ["enip.command" "enip_command"] Both Done [Enip];
    EnipStatus ["enip.status"] Both Done [Enip];
    EnipCipService ["enip.cip_service" "cip_service"] Both Done [Enip];
    EnipCipClass ["enip.cip_class"] Both Done [Enip];
    EnipCipInstance ["enip.cip_instance"] Both Done [Enip];
    EnipCipAttribute ["enip.cip_attribute"] Both Done [Enip];
    EnipCipStatus ["enip.cip_status"] Both Done [Enip];
    EnipCipExtendedStatus ["enip.cip_extendedstatus"] Both Done [Enip];
    EnipRevision ["enip.revision"] Both Done [Enip];
    EnipVendorId ["enip.vendor_id"] Both Done [Enip];
    EnipProductCode ["enip.product_code"] Both Done [Enip];
    EnipSerial ["enip.serial"] Both Done [Enip];
    EnipDeviceType ["enip.device_type"] Both Done [Enip];
    EnipState ["enip.state"] Both Done [Enip];
    EnipCapabilities ["enip.capabilities"] Both Done [Enip];
    EnipIdentityStatus ["enip.identity_status"] Both Done [Enip];
    EnipProtocolVersion ["enip.protocol_version"] Both Done [Enip];
    IkeExchangeType ["ike.exchtype"] Both Done [Ike];
    IkeChosenEncryption ["ike.chosen_sa_attribute:alg_enc"] Both Done [Ike];
    IkeChosenHash ["ike.chosen_sa_attribute:alg_hash"] Both Done [Ike];
    IkeChosenAuth ["ike.chosen_sa_attribute:alg_auth"] Both Done [Ike];
    IkeChosenGroup ["ike.chosen_sa_attribute:alg_dh"] Both Done [Ike];
    IkeChosenGroupType ["ike.chosen_sa_attribute:sa_group_type"] Both Done [Ike];
    IkeChosenPrf ["ike.chosen_sa_attribute:alg_prf"] Both Done [Ike];
    IkeChosenLifeType ["ike.chosen_sa_attribute:sa_life_type"] Both Done [Ike];
    IkeChosenLifeDuration ["ike.chosen_sa_attribute:sa_life_duration"] Both Done [Ike];
    IkeChosenKeyLength ["ike.chosen_sa_attribute:sa_key_length"] Both Done [Ike];
    IkeChosenFieldSize ["ike.chosen_sa_attribute:sa_field_size"] Both Done [Ike];
    IkeKeyExchangeLength ["ike.key_exchange_payload_length"] Both Done [Ike];
    IkeNonceLength ["ike.nonce_payload_length"] Both Done [Ike];
    Http2FrameType ["http2.frametype"] Both Done [Http2];
    Http2ErrorCode ["http2.errorcode"] Both Done [Http2];
    Http2Priority ["http2.priority"] Both Done [Http2];
    Http2Window ["http2.window"] Both Done [Http2];
    Http2SizeUpdate ["http2.size_update"] Both Done [Http2];
    // Identifier times 2^32 and value.
    Http2Settings ["http2.settings"] Both Done [Http2];
    DhcpLeaseTime ["dhcp.leasetime"] Both Done [Dhcp];
    DhcpRebindingTime ["dhcp.rebinding_time"] Both Done [Dhcp];
    DhcpRenewalTime ["dhcp.renewal_time"] Both Done [Dhcp];
    WebSocketOpcode ["websocket.opcode"] Both Done [WebSocket];
    WebSocketMask ["websocket.mask"] Both Done [WebSocket];
    // The first byte of the frame: bit 7 fin, 6 compressed.
    WebSocketFlags ["websocket.flags"] Both Done [WebSocket];
    NtpVersion ["ntp.version"] Both Done [Ntp];
    NtpStratum ["ntp.stratum"] Both Done [Ntp];
    NtpMode ["ntp.mode"] Both Done [Ntp];
    FtpDynamicPort ["ftp.dynamic_port"] Both Done [Ftp];
    // 0 passive, 1 active.
    FtpMode ["ftp.mode"] Request Done [Ftp];
    // Whether a reply came: 1.
    FtpReplyReceived ["ftp.reply_received"] Response Done [Ftp];
    // 1 RETR, 2 STOR.
    FtpDataCommand ["ftpdata_command"] Both Done [FtpData];
}

impl Field {
    /// What is known of it.
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        // The table has a row for each variant, in their order.
        &Self::TABLE[self as usize]
    }

    /// The field of that keyword.
    #[must_use]
    pub fn of_keyword(keyword: &str) -> Option<Self> {
        Self::TABLE.iter().find(|info| info.keywords.contains(&keyword)).map(|info| info.field)
    }
}
