//! JSON values of events, made to be written once.
//!
//! Not `serde_json`'s: its objects are hash tables with owned keys, and making and dropping them took more time than
//! decoding, tracking and parsing the packets that events are about. Here an object is a list in the order of
//! writing, and names that the program knows are not copied. What is written is read back by `serde_json` in tests.

use std::borrow::Cow;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Names at the top of most lines.
const LINE_NAMES: usize = 18;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'static, str>),
    Shared(Arc<str>),
    Array(Vec<Value>),
    Object(Object),
}

/// A JSON object: names in the order in which they were first put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(Cow<'static, str>, Value)>);

impl Object {
    pub(crate) fn new() -> Self {
        Object::default()
    }

    /// Empty, with room for as many names as a line has: it never grows by halves.
    pub(crate) fn of_line() -> Self {
        Object(Vec::with_capacity(LINE_NAMES))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a value in; one of the same name is replaced, and given back.
    pub(crate) fn insert(&mut self, name: Cow<'static, str>, value: Value) -> Option<Value> {
        match std::mem::replace(self.place(name), value) {
            Value::Null => None,
            old => Some(old),
        }
    }

    /// The value of that name; null, and put in, if there is none yet.
    pub(crate) fn place(&mut self, name: Cow<'static, str>) -> &mut Value {
        // Events have some twenty names: a search among them is faster than a hash.
        let at = match self.0.iter().position(|(known, _)| *known == name) {
            Some(at) => at,
            None => {
                self.0.push((name, Value::Null));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl FromIterator<(Cow<'static, str>, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Cow<'static, str>, Value)>>(names: I) -> Self {
        Object(names.into_iter().collect())
    }
}

impl Value {
    /// The value of that name in an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        if let Value::Object(object) = self { object.get(name) } else { None }
    }

    /// Whether it says nothing: null, or an empty array.
    pub(crate) fn is_void(&self) -> bool {
        matches!(self, Value::Null) || matches!(self, Value::Array(values) if values.is_empty())
    }

    /// Appends it as text.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Unsigned(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            Value::Signed(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            // JSON has no names for these.
            Value::Float(n) if !n.is_finite() => out.extend_from_slice(b"null"),
            Value::Float(n) => out.extend_from_slice(format!("{n:?}").as_bytes()),
            Value::Text(text) => write_text(text, out),
            Value::Shared(text) => write_text(text, out),
            Value::Array(values) => {
                out.push(b'[');
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    value.write(out);
                }
                out.push(b']');
            }
            Value::Object(Object(names)) => {
                out.push(b'{');
                for (i, (name, value)) in names.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
impl Value {
    /// As others read it.
    pub(crate) fn reread(&self) -> serde_json::Value {
        let mut text = Vec::new();
        self.write(&mut text);
        serde_json::from_slice(&text).unwrap()
    }
}

/// A string in quotes (RFC 8259 section 7): what must be escaped is, the rest goes in whole runs.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    // Most texts have nothing to escape. A test without a way out of the loop is done for many bytes at once.
    if !bytes.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x00..=0x1f => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit & 0x0f)];
            out.extend_from_slice(&[b'0', b'0', hex(byte >> 4), hex(byte)]);
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Names that are not there are null.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

/// Makes an object of anything else.
impl IndexMut<&'static str> for Value {
    fn index_mut(&mut self, name: &'static str) -> &mut Value {
        if !matches!(self, Value::Object(_)) {
            *self = Object::new().into();
        }
        match self {
            Value::Object(object) => object.place(name.into()),
            // It was made one above.
            _ => unreachable!(),
        }
    }
}

impl Index<&'static str> for Object {
    type Output = Value;

    fn index(&self, name: &'static str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl IndexMut<&'static str> for Object {
    fn index_mut(&mut self, name: &'static str) -> &mut Value {
        self.place(name.into())
    }
}

macro_rules! from {
    ($($of:ty, $value:ident => $made:expr;)*) => {
        $(impl From<$of> for Value {
            fn from($value: $of) -> Self {
                $made
            }
        })*
    };
}

from! {
    bool, b => Value::Bool(b);
    u8, n => Value::Unsigned(n.into());
    u16, n => Value::Unsigned(n.into());
    u32, n => Value::Unsigned(n.into());
    u64, n => Value::Unsigned(n);
    usize, n => Value::Unsigned(n as u64);
    &u8, n => Value::Unsigned((*n).into());
    &i64, n => Value::Signed(*n);
    &u16, n => Value::Unsigned((*n).into());
    &u32, n => Value::Unsigned((*n).into());
    &u64, n => Value::Unsigned(*n);
    &String, text => Value::Text(Cow::Owned(text.clone()));
    i32, n => Value::Signed(n.into());
    i64, n => Value::Signed(n);
    f64, n => Value::Float(n);
    &'static str, text => Value::Text(Cow::Borrowed(text));
    &&'static str, text => Value::Text(Cow::Borrowed(*text));
    String, text => Value::Text(Cow::Owned(text));
    Cow<'static, str>, text => Value::Text(text);
    &[String], texts => texts.iter().collect();
    &Vec<String>, texts => texts.iter().collect();
    &Arc<str>, text => Value::Shared(text.clone());
    Object, object => Value::Object(object);
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Value::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Value::Array(values.into_iter().map(Into::into).collect())
    }
}

/// Nothing is null.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// An object with these names, or an array.
macro_rules! json {
    ({ $($name:tt : $value:expr),* $(,)? }) => {{
        #[allow(unused_mut, reason = "an empty one")]
        let mut object = $crate::json::Object::new();
        $(object.insert($name.into(), $crate::json::Value::from($value));)*
        $crate::json::Value::from(object)
    }};
    ([ $($value:expr),* $(,)? ]) => {
        $crate::json::Value::Array(vec![$($crate::json::Value::from($value)),*])
    };
}
pub(crate) use json;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        value.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_stay_in_order_and_are_there_once() {
        let mut object = Object::new();
        object.insert("b".into(), 1_u8.into());
        object.insert("a".into(), json!(["x", -1, true]));
        object.insert("b".into(), 2_u8.into());
        object["c"]["d"] = 1.5.into();
        assert_eq!(text(&object.into()), r#"{"b":2,"a":["x",-1,true],"c":{"d":1.5}}"#);
        assert_eq!(text(&Value::from(f64::NAN)), "null");
    }

    proptest! {
        /// What is written is what others read.
        #[test]
        fn any_text_is_read_back(name in any::<String>(), value in any::<String>(), n in any::<u64>()) {
            let mut object = Object::new();
            object.insert(name.clone().into(), value.clone().into());
            object.insert("n".into(), n.into());
            let read: serde_json::Value = serde_json::from_str(&text(&object.into())).unwrap();
            if name != "n" {
                prop_assert_eq!(read[&name].as_str(), Some(value.as_str()));
            }
            prop_assert_eq!(read["n"].as_u64(), Some(n));
        }
    }
}
