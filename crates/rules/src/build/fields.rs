//! Numbers of transactions.

use crate::fault::{Done, Fault, unsupported, wrong};
use crate::field::Field;
use crate::number;
use crate::options::{negation, unquoted};
use crate::test::{FieldTest, NumberTest, Which};

use super::Builder;
use super::names;

/// Numbers of operations in one `dcerpc.opnum`.
const MAX_OPNUMS: usize = 1 << 16;

/// Which of several numbers: `any`, `all`, `all1` or a place.
pub(super) fn which(text: &str) -> Result<Which, Fault> {
    Ok(match text {
        "any" => Which::Any,
        "all" => Which::AllOrNone,
        "all1" => Which::All,
        _ => Which::At(i32::try_from(number::signed(text)?).map_err(|_| wrong("there is no such place"))?),
    })
}

/// The largest number that a field can have.
fn most(field: Field) -> u64 {
    match field {
        Field::FileSize => u64::MAX,
        Field::DnsOpcode
        | Field::SnmpPduType
        | Field::MqttType
        | Field::MqttProtocolVersion
        | Field::MqttReasonCode
        | Field::LdapRequestOperation
        | Field::LdapResponsesOperation
        | Field::Dnp3Function
        | Field::WebSocketOpcode
        | Field::NtpVersion
        | Field::NtpStratum
        | Field::NtpMode
        | Field::IkeExchangeType
        | Field::Http2FrameType
        | Field::Http2Priority
        | Field::EnipCipService
        | Field::EnipCipStatus
        | Field::EnipState => 0xff,
        Field::MqttQos => 2,
        Field::DnsRcode
        | Field::DnsRrtype
        | Field::HttpUriLength
        | Field::HttpRawUriLength
        | Field::EnipCommand
        | Field::EnipCipExtendedStatus
        | Field::EnipRevision
        | Field::EnipVendorId
        | Field::EnipProductCode
        | Field::EnipDeviceType
        | Field::EnipCapabilities
        | Field::EnipIdentityStatus
        | Field::EnipProtocolVersion
        | Field::DcerpcOpnum
        | Field::FtpDynamicPort => 0xffff,
        Field::DhcpLeaseTime | Field::DhcpRebindingTime | Field::DhcpRenewalTime => u64::MAX,
        _ => 0xffff_ffff,
    }
}

/// Whether a keyword takes a place behind its number.
fn placed(field: Field) -> bool {
    matches!(field, Field::LdapResponsesOperation | Field::LdapResponsesResultCode)
}

impl Builder<'_> {
    fn add_field(&mut self, field: Field, which: Which, test: NumberTest) -> Done {
        self.rule.fields.push(FieldTest { field, which, test });
        Ok(())
    }

    pub(super) fn add(&mut self, field: Field, test: NumberTest) -> Done {
        self.add_field(field, Which::Any, test)
    }

    /// A keyword of a field.
    pub(super) fn field(&mut self, field: Field, value: Option<&str>) -> Done {
        let flag = matches!(
            field,
            Field::TlsCertExpired | Field::TlsCertValid | Field::Krb5WeakEncryption | Field::Krb5Malformed
        );
        if flag {
            return match value {
                None => self.add(field, NumberTest::Equal(1, false)),
                Some(_) => Err(wrong("it takes no value")),
            };
        }
        let value = unquoted(value.ok_or_else(|| wrong("the value is missing"))?).trim();
        match field {
            Field::HttpUriLength => self.uri_length(value),
            Field::TlsVersion => self.tls_version(value),
            Field::SslState => self.ssl_state(value),
            Field::TlsCertNotBefore | Field::TlsCertNotAfter => {
                let test = super::names::dates(value)?;
                self.add(field, test)
            }
            Field::SshProtoVersion => self.ssh_version(value),
            Field::SmbVersion => match value {
                "1" | "2" => self.add(field, NumberTest::Equal(number::number(value)?, false)),
                _ => Err(wrong("the version is 1 or 2")),
            },
            Field::DcerpcOpnum => self.opnum(value),
            Field::Krb5TicketEncryption => self.ticket_encryption(value),
            Field::MqttFlags | Field::MqttConnectFlags => self.bits(field, value),
            Field::WebSocketFlags
                if !value.starts_with(|c: char| c.is_ascii_digit() || "<>=&".contains(c)) =>
            {
                self.bits(field, value)
            }
            Field::MqttConnackSessionPresent | Field::FtpReplyReceived => {
                let yes = match value {
                    "yes" | "on" | "true" => 1,
                    "no" | "off" | "false" => 0,
                    _ => return Err(wrong("expected yes or no")),
                };
                self.add(field, NumberTest::Equal(yes, false))
            }
            Field::Dnp3Indicators => {
                let mut mask = 0;
                for name in value.split(',').map(str::trim) {
                    mask |= names::find(names::of(field), name)
                        .ok_or_else(|| wrong(format!("there is no indicator {name}")))?;
                }
                self.add(field, NumberTest::Masked(mask, 0, true))
            }
            Field::Dnp3Object => {
                let (group, variation) =
                    value.split_once(',').ok_or_else(|| wrong("expected group,variation"))?;
                let number = number::at_most(group, 255)? * 256 + number::at_most(variation, 255)?;
                self.add(field, NumberTest::Equal(number, false))
            }
            Field::EnipCipService if value.contains(',') => self.cip_service(value),
            Field::Http2Settings => self.settings(value),
            Field::NfsProcedure => self.nfs_procedure(value),
            Field::Http2SizeUpdate => {
                let test = number::test(value, u64::MAX)?;
                self.add(field, test)
            }
            _ => self.plain_field(field, value),
        }
    }

    fn plain_field(&mut self, field: Field, value: &str) -> Done {
        let (value, place) = match value.rsplit_once(',') {
            Some((value, place)) if placed(field) => (value, which(place.trim())?),
            _ => (value, Which::Any),
        };
        let table = names::of(field);
        let test = number::test_with(value, most(field), &|name| names::find(table, name))?;
        self.add_field(field, place, test)
    }

    fn uri_length(&mut self, value: &str) -> Done {
        let (test, field) = match value.rsplit_once(',') {
            Some((test, kind)) => match kind.trim() {
                "raw" => (test, Field::HttpRawUriLength),
                "norm" => (test, Field::HttpUriLength),
                other => return Err(wrong(format!("{other:?} is neither raw nor norm"))),
            },
            None => (value, Field::HttpUriLength),
        };
        let test = number::test(test, most(field))?;
        self.add(field, test)
    }

    /// `tls.version:1.2` and `ssl_version:tls1.0,!sslv3`
    fn tls_version(&mut self, value: &str) -> Done {
        let (mut versions, mut not) = (Vec::new(), Vec::new());
        for word in value.split(',') {
            let (negated, word) = negation(unquoted(word.trim()));
            let lower = word.to_ascii_lowercase();
            let version = match names::find(names::of(Field::TlsVersion), &lower) {
                Some(version) => version,
                None if lower.starts_with("0x") => number::at_most(&lower, 0xffff)?,
                None => return Err(wrong(format!("there is no version {word}"))),
            };
            if negated { not.push(version) } else { versions.push(version) }
        }
        if !not.is_empty() {
            self.add(Field::TlsVersion, NumberTest::OneOf(not, true))?;
        }
        match versions.as_slice() {
            [] => Ok(()),
            &[one] => self.add(Field::TlsVersion, NumberTest::Equal(one, false)),
            _ => self.add(Field::TlsVersion, NumberTest::OneOf(versions, false)),
        }
    }

    fn ssl_state(&mut self, value: &str) -> Done {
        let (mut mask, mut not) = (0, 0);
        for word in value.split(['|', ',']).map(str::trim) {
            let (negated, word) = negation(word);
            let bit = names::find(names::of(Field::SslState), word)
                .ok_or_else(|| wrong(format!("there is no state {word}")))?;
            if negated { not |= bit } else { mask |= bit }
        }
        if not != 0 {
            self.add(Field::SslState, NumberTest::Masked(not, 0, false))?;
        }
        if mask != 0 {
            self.add(Field::SslState, NumberTest::Masked(mask, 0, true))?;
        }
        Ok(())
    }

    fn ssh_version(&mut self, value: &str) -> Done {
        let version = |major: u64, minor: u64| (major << 16) | minor;
        if value == "2_compat" {
            return self
                .add(Field::SshProtoVersion, NumberTest::OneOf(vec![version(1, 99), version(2, 0)], false));
        }
        let (major, minor) = value.split_once('.').unwrap_or((value, "0"));
        let number = version(number::at_most(major, 0xff)?, number::at_most(minor, 0xff)?);
        self.add(Field::SshProtoVersion, NumberTest::Equal(number, false))
    }

    /// `dcerpc.opnum:15-18,22,<5`
    fn opnum(&mut self, value: &str) -> Done {
        let most = most(Field::DcerpcOpnum);
        let parts: Vec<&str> = value.split(',').map(str::trim).collect();
        if let [one] = parts.as_slice()
            && !one.contains('-')
        {
            let test = number::test(one, most)?;
            return self.add(Field::DcerpcOpnum, test);
        }
        let mut numbers = Vec::new();
        for part in parts {
            // Unlike elsewhere, both ends belong to the range.
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number::at_most(first, most)?, number::at_most(last, most)?);
            if first > last {
                return Err(wrong(format!("{part:?} is no range")));
            }
            numbers.extend(first..=last);
            if numbers.len() > MAX_OPNUMS {
                return Err(wrong(format!("more than {MAX_OPNUMS} numbers")));
            }
        }
        self.add(Field::DcerpcOpnum, NumberTest::OneOf(numbers, false))
    }

    fn ticket_encryption(&mut self, value: &str) -> Done {
        let (negated, list) = negation(value);
        let mut numbers = Vec::new();
        for word in list.split(',').map(str::trim) {
            if word == "weak" {
                return Err(unsupported("weak: name the numbers"));
            }
            if word.starts_with('-') {
                return Err(unsupported("private numbers"));
            }
            numbers.push(number::at_most(word, 0xffff_ffff)?);
        }
        self.add(Field::Krb5TicketEncryption, NumberTest::OneOf(numbers, negated))
    }

    /// Unlike elsewhere, both ends belong to a range.
    fn nfs_procedure(&mut self, value: &str) -> Done {
        if value.trim_start_matches(['!', '=', '<', '>', ' ']).starts_with(|c: char| c.is_ascii_alphabetic())
        {
            return Err(unsupported("names: procedures have other numbers in each version"));
        }
        let most = most(Field::NfsProcedure);
        let test = match value.split_once("<>").or_else(|| value.split_once('-')) {
            Some((low, high)) => {
                let (low, high) = (number::at_most(low, most)?, number::at_most(high, most)?);
                if low >= high {
                    return Err(wrong(format!("nothing is between {low} and {high}")));
                }
                match low.checked_sub(1) {
                    Some(below) => NumberTest::Between(below, high + 1, false),
                    None => NumberTest::LessOrEqual(high),
                }
            }
            None => number::test(value, most)?,
        };
        self.add(Field::NfsProcedure, test)
    }

    /// Names of bits, each possibly negated.
    fn bits(&mut self, field: Field, value: &str) -> Done {
        let (mut mask, mut wanted) = (0, 0);
        for word in value.split(',').map(str::trim) {
            let (negated, word) = negation(word);
            let bit = names::find(names::of(field), word)
                .ok_or_else(|| wrong(format!("there is no flag {word}")))?;
            mask |= bit;
            if !negated {
                wanted |= bit;
            }
        }
        self.add(field, NumberTest::Masked(mask, wanted, false))
    }

    /// `http2.settings:SETTINGS_INITIAL_WINDOW_SIZE >1000`
    fn settings(&mut self, value: &str) -> Done {
        let end = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(value.len());
        let (name, test) = value.split_at(end);
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("settings_").unwrap_or(&name);
        let found = names::find(names::of(Field::Http2Settings), name);
        let id = match found {
            Some(id) => id,
            None => {
                number::at_most(name, 0xffff).map_err(|_| wrong(format!("there is no setting {name}")))?
            }
        };
        let of = |value: u64| (id << 32).saturating_add(value);
        let below = of(0).checked_sub(1).ok_or_else(|| unsupported("the setting 0"))?;
        let above = of(1 << 32);
        let test = match test.trim() {
            "" => NumberTest::Between(below, above, false),
            text => match number::test(text, 0xffff_ffff)? {
                NumberTest::Equal(value, false) => NumberTest::Equal(of(value), false),
                NumberTest::Less(value) => NumberTest::Between(below, of(value), false),
                NumberTest::LessOrEqual(value) => NumberTest::Between(below, of(value) + 1, false),
                NumberTest::Greater(value) => NumberTest::Between(of(value), above, false),
                NumberTest::GreaterOrEqual(value) => {
                    NumberTest::Between(of(value).saturating_sub(1), above, false)
                }
                NumberTest::Between(low, high, false) => NumberTest::Between(of(low), of(high), false),
                _ => return Err(unsupported("negated numbers and masks of settings")),
            },
        };
        self.add(Field::Http2Settings, test)
    }

    /// `ike.chosen_sa_attribute:alg_enc=7`
    pub(super) fn ike_attribute(&mut self, value: &str) -> Done {
        let (name, number) = unquoted(value).split_once('=').ok_or_else(|| wrong("expected name=number"))?;
        let keyword = ["ike.chosen_sa_attribute:", name.trim()].concat();
        let field =
            Field::of_keyword(&keyword).ok_or_else(|| wrong(format!("there is no attribute {name}")))?;
        let number = number::at_most(number, 0xffff_ffff)?;
        self.add(field, NumberTest::Equal(number, false))
    }
}
