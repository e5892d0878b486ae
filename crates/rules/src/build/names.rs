//! Names that rules have for numbers of transactions.

use crate::fault::{Fault, wrong};
use crate::field::Field;
use crate::test::NumberTest;

/// Names and their numbers.
pub(super) type Names = &'static [(&'static str, u64)];

/// The number of a name, whatever its case.
pub(super) fn find(names: Names, name: &str) -> Option<u64> {
    names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, number)| number)
}

/// The names of a field's numbers.
#[rustfmt::skip]
pub(super) fn of(field: Field) -> Names {
    match field {
        Field::DnsRrtype => &[
            ("A", 1), ("NS", 2), ("MD", 3), ("MF", 4), ("CNAME", 5), ("SOA", 6), ("MB", 7), ("MG", 8), ("MR", 9),
            ("NULL", 10), ("WKS", 11), ("PTR", 12), ("HINFO", 13), ("MINFO", 14), ("MX", 15), ("TXT", 16), ("RP", 17),
            ("AFSDB", 18), ("X25", 19), ("ISDN", 20), ("RT", 21), ("NSAP", 22), ("NSAPPTR", 23), ("SIG", 24),
            ("KEY", 25), ("PX", 26), ("GPOS", 27), ("AAAA", 28), ("LOC", 29), ("NXT", 30), ("SRV", 33), ("ATMA", 34),
            ("NAPTR", 35), ("KX", 36), ("CERT", 37), ("A6", 38), ("DNAME", 39), ("OPT", 41), ("APL", 42), ("DS", 43),
            ("SSHFP", 44), ("IPSECKEY", 45), ("RRSIG", 46), ("NSEC", 47), ("DNSKEY", 48), ("DHCID", 49),
            ("NSEC3", 50), ("NSEC3PARAM", 51), ("TLSA", 52), ("HIP", 55), ("CDS", 59), ("CDNSKEY", 60), ("HTTPS", 65),
            ("SPF", 99), ("TKEY", 249), ("TSIG", 250), ("MAILA", 254), ("ANY", 255), ("URI", 256),
        ],
        Field::DnsRcode => &[
            ("NOERROR", 0), ("FORMERR", 1), ("SERVFAIL", 2), ("NXDOMAIN", 3), ("NOTIMP", 4), ("REFUSED", 5),
            ("YXDOMAIN", 6), ("YXRRSET", 7), ("NXRRSET", 8), ("NOTAUTH", 9), ("NOTZONE", 10), ("BADVERS", 16),
            ("BADSIG", 16), ("BADKEY", 17), ("BADTIME", 18), ("BADMODE", 19), ("BADNAME", 20), ("BADALG", 21),
            ("BADTRUNC", 22),
        ],
        Field::TlsVersion => &[
            ("1.0", 0x301), ("1.1", 0x302), ("1.2", 0x303), ("1.3", 0x304), ("sslv2", 0x200), ("sslv3", 0x300),
            ("tls1.0", 0x301), ("tls1.1", 0x302), ("tls1.2", 0x303), ("tls1.3", 0x304),
        ],
        Field::SslState => &[
            ("client_hello", 1), ("server_hello", 2), ("client_keyx", 4), ("server_keyx", 8), ("unknown", 16),
        ],
        Field::SnmpPduType => &[
            ("get_request", 0), ("get_next_request", 1), ("response", 2), ("set_request", 3), ("trap_v1", 4),
            ("get_bulk_request", 5), ("inform_request", 6), ("trap_v2", 7), ("report", 8),
        ],
        Field::MqttType => &[
            ("CONNECT", 1), ("CONNACK", 2), ("PUBLISH", 3), ("PUBACK", 4), ("PUBREC", 5), ("PUBREL", 6),
            ("PUBCOMP", 7), ("SUBSCRIBE", 8), ("SUBACK", 9), ("UNSUBSCRIBE", 10), ("UNSUBACK", 11), ("PINGREQ", 12),
            ("PINGRESP", 13), ("DISCONNECT", 14), ("AUTH", 15), ("UNASSIGNED", 0),
        ],
        Field::MqttFlags => &[("dup", 1), ("retain", 2)],
        Field::MqttConnectFlags => &[
            ("username", 0x80), ("password", 0x40), ("will_retain", 0x20), ("will", 0x04), ("clean_session", 0x02),
        ],
        Field::RfbSecurityResult => &[("ok", 0), ("fail", 1), ("toomany", 2), ("unknown", 3)],
        Field::Dnp3Function => &[
            ("confirm", 0), ("read", 1), ("write", 2), ("select", 3), ("operate", 4), ("direct_operate", 5),
            ("direct_operate_nr", 6), ("immed_freeze", 7), ("immed_freeze_nr", 8), ("freeze_clear", 9),
            ("freeze_clear_nr", 10), ("freeze_at_time", 11), ("freeze_at_time_nr", 12), ("cold_restart", 13),
            ("warm_restart", 14), ("initialize_data", 15), ("initialize_appl", 16), ("start_appl", 17),
            ("stop_appl", 18), ("save_config", 19), ("enable_unsolicited", 20), ("disable_unsolicited", 21),
            ("assign_class", 22), ("delay_measure", 23), ("record_current_time", 24), ("open_file", 25),
            ("close_file", 26), ("delete_file", 27), ("get_file_info", 28), ("authenticate_file", 29),
            ("abort_file", 30), ("activate_config", 31), ("authenticate_req", 32), ("authenticate_err", 33),
            ("response", 129), ("unsolicited_response", 130), ("authenticate_resp", 131),
        ],
        Field::Dnp3Indicators => &[
            ("device_restart", 0x8000), ("device_trouble", 0x4000), ("local_control", 0x2000), ("need_time", 0x1000),
            ("class_3_events", 0x0800), ("class_2_events", 0x0400), ("class_1_events", 0x0200),
            ("all_stations", 0x0100), ("reserved_1", 0x0080), ("reserved_2", 0x0040), ("config_corrupt", 0x0020),
            ("already_executing", 0x0010), ("event_buffer_overflow", 0x0008), ("parameter_error", 0x0004),
            ("object_unknown", 0x0002), ("no_func_code_support", 0x0001),
        ],
        Field::ModbusAccess => &[
            ("read", 1), ("write", 2), ("coils", 4), ("discretes", 8), ("input", 16), ("holding", 32),
        ],
        Field::ModbusCategory => &[
            ("assigned", 1), ("unassigned", 2), ("public", 3), ("user", 4), ("reserved", 8), ("all", 15),
        ],
        Field::EnipCommand => &[
            ("nop", 0), ("list_services", 4), ("list_identity", 0x63), ("list_interfaces", 0x64),
            ("register_session", 0x65), ("unregister_session", 0x66), ("send_rr_data", 0x6f),
            ("send_unit_data", 0x70), ("indicate_status", 0x72), ("cancel", 0x73),
        ],
        Field::EnipStatus => &[
            ("success", 0), ("invalid_cmd", 1), ("no_resources", 2), ("incorrect_data", 3), ("invalid_session", 0x64),
            ("invalid_length", 0x65), ("unsupported_protocol_revision", 0x69), ("unsupported_prot_rev", 0x69),
            ("encap_header_error", 0x6a),
        ],
        Field::Http2FrameType => &[
            ("DATA", 0), ("HEADERS", 1), ("PRIORITY", 2), ("RSTSTREAM", 3), ("RST_STREAM", 3), ("SETTINGS", 4),
            ("PUSHPROMISE", 5), ("PUSH_PROMISE", 5), ("PING", 6), ("GOAWAY", 7), ("WINDOWUPDATE", 8),
            ("WINDOW_UPDATE", 8), ("CONTINUATION", 9),
        ],
        Field::Http2ErrorCode => &[
            ("NO_ERROR", 0), ("PROTOCOL_ERROR", 1), ("INTERNAL_ERROR", 2), ("FLOW_CONTROL_ERROR", 3),
            ("SETTINGS_TIMEOUT", 4), ("STREAM_CLOSED", 5), ("FRAME_SIZE_ERROR", 6), ("REFUSED_STREAM", 7),
            ("CANCEL", 8), ("COMPRESSION_ERROR", 9), ("CONNECT_ERROR", 10), ("ENHANCE_YOUR_CALM", 11),
            ("INADEQUATE_SECURITY", 12), ("HTTP_1_1_REQUIRED", 13),
        ],
        Field::Http2Settings => &[
            ("header_table_size", 1), ("enable_push", 2), ("max_concurrent_streams", 3), ("initial_window_size", 4),
            ("max_frame_size", 5), ("max_header_list_size", 6),
        ],
        Field::WebSocketOpcode => &[
            ("continuation", 0), ("text", 1), ("binary", 2), ("connection_close", 8), ("ping", 9), ("pong", 10),
        ],
        Field::WebSocketFlags => &[("fin", 0x80), ("comp", 0x40)],
        Field::NtpMode => &[
            ("reserved", 0), ("symmetric_active", 1), ("symmetric_passive", 2), ("client", 3), ("server", 4),
            ("broadcast", 5), ("control", 6), ("private", 7),
        ],
        Field::FtpMode => &[("passive", 0), ("active", 1)],
        Field::FtpDataCommand => &[("retr", 1), ("stor", 2)],
        Field::LdapRequestOperation | Field::LdapResponsesOperation => &[
            ("bind_request", 0), ("bind_response", 1), ("unbind_request", 2), ("search_request", 3),
            ("search_result_entry", 4), ("search_result_done", 5), ("modify_request", 6), ("modify_response", 7),
            ("add_request", 8), ("add_response", 9), ("del_request", 10), ("del_response", 11),
            ("mod_dn_request", 12), ("mod_dn_response", 13), ("compare_request", 14), ("compare_response", 15),
            ("abandon_request", 16), ("search_result_reference", 19), ("extended_request", 23),
            ("extended_response", 24), ("intermediate_response", 25),
        ],
        Field::LdapResponsesResultCode => LDAP_RESULTS,
        _ => &[],
    }
}

#[rustfmt::skip]
const LDAP_RESULTS: Names = &[
    ("success", 0), ("operations_error", 1), ("protocol_error", 2), ("time_limit_exceeded", 3),
    ("size_limit_exceeded", 4), ("compare_false", 5), ("compare_true", 6), ("auth_method_not_supported", 7),
    ("stronger_auth_required", 8), ("referral", 10), ("admin_limit_exceeded", 11),
    ("unavailable_critical_extension", 12), ("confidentiality_required", 13), ("sasl_bind_in_progress", 14),
    ("no_such_attribute", 16), ("undefined_attribute_type", 17), ("inappropriate_matching", 18),
    ("constraint_violation", 19), ("attribute_or_value_exists", 20), ("invalid_attribute_syntax", 21),
    ("no_such_object", 32), ("alias_problem", 33), ("invalid_dns_syntax", 34), ("is_leaf", 35),
    ("alias_dereferencing_problem", 36), ("inappropriate_authentication", 48), ("invalid_credentials", 49),
    ("insufficient_access_rights", 50), ("busy", 51), ("unavailable", 52), ("unwilling_to_perform", 53),
    ("loop_detect", 54), ("sort_control_missing", 60), ("offset_range_error", 61), ("naming_violation", 64),
    ("object_class_violation", 65), ("not_allowed_on_non_leaf", 66), ("not_allowed_on_rdn", 67),
    ("entry_already_exists", 68), ("object_class_mods_prohibited", 69), ("results_too_large", 70),
    ("affects_multiple_dsas", 71), ("control_error", 76), ("other", 80), ("server_down", 81), ("local_error", 82),
    ("encoding_error", 83), ("decoding_error", 84), ("timeout", 85), ("auth_unknown", 86), ("filter_error", 87),
    ("user_canceled", 88), ("param_error", 89), ("no_memory", 90), ("connect_error", 91), ("not_supported", 92),
    ("control_not_found", 93), ("no_results_returned", 94), ("more_results_to_return", 95), ("client_loop", 96),
    ("referral_limit_exceeded", 97), ("invalid_response", 100), ("ambiguous_response", 101),
    ("tls_not_supported", 112), ("intermediate_response", 113), ("unknown_type", 114), ("canceled", 118),
    ("no_such_operation", 119), ("too_late", 120), ("cannot_cancel", 121), ("assertion_failed", 122),
    ("authorization_denied", 123), ("e_sync_refresh_required", 4096), ("no_operation", 16654),
];

/// `2024`, `<2024-05-01`, `2023-01<>2024-01-01T12:30:00`: seconds since 1970.
pub(super) fn dates(text: &str) -> Result<NumberTest, Fault> {
    let text = text.trim();
    if let Some((low, high)) = text.split_once("<>") {
        return Ok(NumberTest::Between(date(low)?, date(high)?, false));
    }
    if let Some(rest) = text.strip_prefix('<') {
        return Ok(NumberTest::Less(date(rest)?));
    }
    if let Some(rest) = text.strip_prefix('>') {
        return Ok(NumberTest::Greater(date(rest)?));
    }
    Ok(NumberTest::Equal(date(text)?, false))
}

fn date(text: &str) -> Result<u64, Fault> {
    let text = text.trim();
    let bad = || wrong(format!("{text:?} is not a time"));
    // The year is needed, the rest begins with January, the first, midnight.
    let defaults = [0, 1, 1, 0, 0, 0];
    let mut parts = defaults;
    let mut count = 0;
    for (place, part) in text.split(['-', 'T', ':']).enumerate() {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let slot = parts.get_mut(place).filter(|_| digits).ok_or_else(bad)?;
        *slot = part.parse().map_err(|_| bad())?;
        count += 1;
    }
    let [year, month, day, hour, minute, second]: [u64; 6] = parts;
    let fits = count > 0
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !fits {
        return Err(bad());
    }
    // Days since 1970: years begin in March here, so that leap days end them.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468).ok_or_else(bad)?;
    Ok(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970", 0),
            ("2024-02-29", 1_709_164_800),
            ("2000-03-01T12:30:05", 951_913_805),
            ("1970-01-01T01", 3600),
        ] {
            assert_eq!(date(text).unwrap(), seconds, "{text}");
        }
        for text in
            ["", "1969", "2024-13", "2024-1-32", "2024-01-01T24", "24", "2024-", "2024-01-01T01:01:01:01"]
        {
            assert!(date(text).is_err(), "{text}");
        }
    }
}
