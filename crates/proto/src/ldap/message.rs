//! Reading an LDAP message (RFC 4511 section 4).

use super::{INTEGER, SEQUENCE};
use crate::ber;
use crate::bytes;

/// Characters kept of a text; names and values may be long.
const MAX_TEXT: usize = 1024;
/// Bytes kept of SASL credentials.
const MAX_CREDENTIALS: usize = 16 * 1024;
/// Attributes, values of one attribute, and changes that are kept.
const MAX_ITEMS: usize = 64;

const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BOOLEAN: u8 = 0x01;
const SET: u8 = 0x31;

/// An attribute with values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To be known by a name.
    Bind {
        /// Version of the protocol.
        version: i64,
        /// Whose name.
        name: String,
        /// The password of a simple bind.
        password: Option<String>,
        /// SASL mechanism and credentials.
        sasl: Option<(String, Vec<u8>)>,
    },
    /// To end the session.
    Unbind,
    /// To find entries.
    Search {
        /// Where to begin.
        base: String,
        /// 0 the entry itself, 1 one level below, 2 the subtree.
        scope: i64,
        /// When aliases are followed.
        deref: i64,
        /// Entries at most.
        size_limit: i64,
        /// Seconds at most.
        time_limit: i64,
        /// Without values.
        types_only: bool,
        /// Attributes wanted.
        attributes: Vec<String>,
    },
    /// To change an entry.
    Modify {
        /// Which.
        object: String,
        /// "add", "delete", "replace" or "increment", and the attribute.
        changes: Vec<(&'static str, Attribute)>,
    },
    /// To make an entry.
    Add {
        /// Which.
        entry: String,
        /// Its attributes.
        attributes: Vec<Attribute>,
    },
    /// To delete an entry.
    Delete {
        /// Which.
        dn: String,
    },
    /// To rename or move an entry.
    ModifyDn {
        /// Which.
        entry: String,
        /// Its new relative name.
        new_rdn: String,
        /// Whether the old one goes.
        delete_old: bool,
        /// Below which entry.
        new_superior: Option<String>,
    },
    /// To compare a value.
    Compare {
        /// Of which entry.
        entry: String,
        /// Of which attribute.
        attribute: String,
        /// With what.
        value: String,
    },
    /// To give up an earlier request.
    Abandon {
        /// Which.
        message_id: i64,
    },
    /// Anything else, by object identifier.
    Extended {
        /// Its identifier.
        name: String,
        /// Its argument.
        value: Option<String>,
    },
}

impl Operation {
    /// The name in events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Bind { .. } => "bind_request",
            Operation::Unbind => "unbind_request",
            Operation::Search { .. } => "search_request",
            Operation::Modify { .. } => "modify_request",
            Operation::Add { .. } => "add_request",
            Operation::Delete { .. } => "del_request",
            Operation::ModifyDn { .. } => "mod_dn_request",
            Operation::Compare { .. } => "compare_request",
            Operation::Abandon { .. } => "abandon_request",
            Operation::Extended { .. } => "extended_request",
        }
    }

    /// Whether the server answers it.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self, Operation::Unbind | Operation::Abandon { .. })
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapRequest {
    /// Its number.
    pub message_id: i64,
    /// What it asks for.
    pub operation: Operation,
}

/// How an operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdapResult {
    /// Result code, 0 for success.
    pub code: u32,
    /// The last entry that was found on the way.
    pub matched_dn: String,
    /// What the server says for humans.
    pub message: String,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a bind, with SASL credentials.
    Bind(LdapResult, Option<Vec<u8>>),
    /// An entry that was found.
    Entry {
        /// Its name.
        dn: String,
        /// Its attributes.
        attributes: Vec<Attribute>,
    },
    /// Where to go on searching.
    Reference,
    /// To an extended request: result, identifier, value.
    Extended(LdapResult, Option<String>, Option<String>),
    /// On the way to an answer: identifier, value.
    Intermediate(Option<String>, Option<String>),
    /// To any other request: the name of the answer and the result.
    Done(&'static str, LdapResult),
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResponse {
    /// Number of the request that it answers.
    pub message_id: i64,
    /// What it says.
    pub reply: Reply,
}

impl LdapResponse {
    /// The name in events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.reply {
            Reply::Bind(..) => "bind_response",
            Reply::Entry { .. } => "search_result_entry",
            Reply::Reference => "search_result_reference",
            Reply::Extended(..) => "extended_response",
            Reply::Intermediate(..) => "intermediate_response",
            Reply::Done(name, _) => name,
        }
    }

    /// Whether no other one follows it.
    pub(super) fn is_last(&self) -> bool {
        !matches!(self.reply, Reply::Entry { .. } | Reply::Reference | Reply::Intermediate(..))
    }

    /// How the operation ended, if it says.
    #[must_use]
    pub fn result(&self) -> Option<&LdapResult> {
        match &self.reply {
            Reply::Bind(result, _) | Reply::Extended(result, ..) | Reply::Done(_, result) => Some(result),
            _ => None,
        }
    }
}

pub(super) enum Message {
    Request(LdapRequest),
    Response(LdapResponse),
}

/// Whether an operation has this tag.
pub(super) fn is_operation(tag: u8) -> bool {
    matches!(
        tag,
        0x42 | 0x4a | 0x50 | 0x60 | 0x61 | 0x63..=0x69 | 0x6b..=0x6f | 0x73 | 0x77..=0x79
    )
}

/// Reads a message; `None` if it is none.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Message> {
    let mut fields = ber::expect(&mut bytes, SEQUENCE)?;
    let message_id = ber::expect(&mut fields, INTEGER).and_then(ber::integer)?;
    let operation = ber::take(&mut fields)?;
    if let Some(operation) = request(operation.tag, operation.body) {
        return Some(Message::Request(LdapRequest { message_id, operation }));
    }
    let reply = reply(operation.tag, operation.body)?;
    Some(Message::Response(LdapResponse { message_id, reply }))
}

fn text(raw: &[u8]) -> String {
    bytes::text(raw, false, MAX_TEXT)
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    ber::expect(bytes, OCTETS).map(text)
}

fn take_number(bytes: &mut &[u8], tag: u8) -> Option<i64> {
    ber::expect(bytes, tag).and_then(ber::integer)
}

fn take_texts(bytes: &mut &[u8], tag: u8) -> Option<Vec<String>> {
    let mut list = ber::expect(bytes, tag)?;
    let mut texts = Vec::new();
    while let Some(one) = take_text(&mut list).filter(|_| texts.len() < MAX_ITEMS) {
        texts.push(one);
    }
    Some(texts)
}

fn take_attribute(bytes: &mut &[u8]) -> Option<Attribute> {
    let mut fields = ber::expect(bytes, SEQUENCE)?;
    Some(Attribute { name: take_text(&mut fields)?, values: take_texts(&mut fields, SET)? })
}

fn take_attributes(bytes: &mut &[u8]) -> Option<Vec<Attribute>> {
    let mut list = ber::expect(bytes, SEQUENCE)?;
    let mut attributes = Vec::new();
    while let Some(one) = take_attribute(&mut list).filter(|_| attributes.len() < MAX_ITEMS) {
        attributes.push(one);
    }
    Some(attributes)
}

fn request(tag: u8, mut body: &[u8]) -> Option<Operation> {
    let fields = &mut body;
    Some(match tag {
        0x60 => bind(fields)?,
        0x42 => Operation::Unbind,
        0x63 => Operation::Search {
            base: take_text(fields)?,
            scope: take_number(fields, ENUMERATED)?,
            deref: take_number(fields, ENUMERATED)?,
            size_limit: take_number(fields, INTEGER)?,
            time_limit: take_number(fields, INTEGER)?,
            types_only: ber::expect(fields, BOOLEAN)?.first() != Some(&0),
            attributes: {
                // The filter, which may be nested as deep as the client likes, is passed over whole.
                ber::take(fields);
                take_texts(fields, SEQUENCE).unwrap_or_default()
            },
        },
        0x66 => Operation::Modify { object: take_text(fields)?, changes: changes(fields)? },
        0x68 => Operation::Add { entry: take_text(fields)?, attributes: take_attributes(fields)? },
        0x4a => Operation::Delete { dn: text(fields) },
        0x6c => Operation::ModifyDn {
            entry: take_text(fields)?,
            new_rdn: take_text(fields)?,
            delete_old: ber::expect(fields, BOOLEAN)?.first() != Some(&0),
            new_superior: ber::expect(fields, 0x80).map(text),
        },
        0x6e => {
            let entry = take_text(fields)?;
            let mut assertion = ber::expect(fields, SEQUENCE)?;
            let attribute = take_text(&mut assertion)?;
            Operation::Compare { entry, attribute, value: take_text(&mut assertion)? }
        }
        0x50 => Operation::Abandon { message_id: ber::integer(fields)? },
        0x77 => Operation::Extended {
            name: ber::expect(fields, 0x80).map(text)?,
            value: ber::expect(fields, 0x81).map(text),
        },
        _ => return None,
    })
}

fn bind(fields: &mut &[u8]) -> Option<Operation> {
    let version = take_number(fields, INTEGER)?;
    let name = take_text(fields)?;
    let credentials = ber::take(fields)?;
    let (mut password, mut sasl) = (None, None);
    match credentials.tag {
        0x80 => password = Some(text(credentials.body)),
        0xa3 => {
            let mut parts = credentials.body;
            let mechanism = take_text(&mut parts)?;
            let token = ber::expect(&mut parts, OCTETS).unwrap_or_default();
            sasl = Some((mechanism, token[..token.len().min(MAX_CREDENTIALS)].to_vec()));
        }
        // Microsoft's own: Sicily, which is NTLM (MS-ADTS section 5.1.1.1.3).
        0x8a | 0x8b => {
            let token = credentials.body;
            sasl = Some(("sicily".to_owned(), token[..token.len().min(MAX_CREDENTIALS)].to_vec()));
        }
        _ => {}
    }
    Some(Operation::Bind { version, name, password, sasl })
}

fn changes(fields: &mut &[u8]) -> Option<Vec<(&'static str, Attribute)>> {
    let mut list = ber::expect(fields, SEQUENCE)?;
    let mut changes = Vec::new();
    while let Some(mut change) = ber::expect(&mut list, SEQUENCE).filter(|_| changes.len() < MAX_ITEMS) {
        let operation = match take_number(&mut change, ENUMERATED)? {
            0 => "add",
            1 => "delete",
            2 => "replace",
            3 => "increment",
            _ => "unknown",
        };
        changes.push((operation, take_attribute(&mut change)?));
    }
    Some(changes)
}

fn take_result(fields: &mut &[u8]) -> Option<LdapResult> {
    let code = u32::try_from(take_number(fields, ENUMERATED)?).ok()?;
    Some(LdapResult { code, matched_dn: take_text(fields)?, message: take_text(fields)? })
}

fn reply(tag: u8, mut body: &[u8]) -> Option<Reply> {
    let fields = &mut body;
    Some(match tag {
        0x61 => {
            let result = take_result(fields)?;
            let credentials =
                ber::find(fields, 0x87).map(|raw| raw[..raw.len().min(MAX_CREDENTIALS)].to_vec());
            Reply::Bind(result, credentials)
        }
        0x64 => Reply::Entry { dn: take_text(fields)?, attributes: take_attributes(fields)? },
        0x73 => Reply::Reference,
        0x78 => {
            let result = take_result(fields)?;
            Reply::Extended(result, ber::find(fields, 0x8a).map(text), ber::find(fields, 0x8b).map(text))
        }
        0x79 => Reply::Intermediate(ber::find(fields, 0x80).map(text), ber::find(fields, 0x81).map(text)),
        0x65 => Reply::Done("search_result_done", take_result(fields)?),
        0x67 => Reply::Done("modify_response", take_result(fields)?),
        0x69 => Reply::Done("add_response", take_result(fields)?),
        0x6b => Reply::Done("del_response", take_result(fields)?),
        0x6d => Reply::Done("mod_dn_response", take_result(fields)?),
        0x6f => Reply::Done("compare_response", take_result(fields)?),
        _ => return None,
    })
}
