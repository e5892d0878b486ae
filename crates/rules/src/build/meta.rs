//! Keywords about a rule: `msg`, `sid`, `classtype`, `reference`, `metadata`, `priority`, `target` ...

use std::sync::Arc;

use crate::fault::{Done, wrong};
use crate::number;
use crate::options::{quoted, unquoted};
use crate::rule::{Reference, Side};

use super::Builder;

/// References of one rule.
const MAX_REFERENCES: usize = 256;
/// The description of classes that are not known.
const UNKNOWN_CLASS: &str = "Unknown Classtype";
/// Pairs of metadata of one rule.
const MAX_METADATA: usize = 1024;

impl Builder<'_> {
    pub(super) fn msg(&mut self, value: &str) -> Done {
        if self.given.msg {
            return Err(wrong("it stands twice"));
        }
        self.given.msg = true;
        let text = quoted(value)?;
        if !text.contains('\\') {
            self.rule.msg = text.into();
            return Ok(());
        }
        let mut plain = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            // As in Suricata any character may be escaped.
            plain.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        self.rule.msg = plain.into();
        Ok(())
    }

    pub(super) fn sid(&mut self, value: &str) -> Done {
        if self.given.sid {
            return Err(wrong("it stands twice"));
        }
        self.rule.sid = number::small(unquoted(value))?;
        self.given.sid = true;
        if self.rule.sid == 0 { Err(wrong("0 is no signature id")) } else { Ok(()) }
    }

    pub(super) fn gid(&mut self, value: &str) -> Done {
        if self.given.gid {
            return Err(wrong("it stands twice"));
        }
        self.given.gid = true;
        self.rule.gid = number::small(unquoted(value))?;
        Ok(())
    }

    pub(super) fn rev(&mut self, value: &str) -> Done {
        if self.given.rev {
            return Err(wrong("it stands twice"));
        }
        self.given.rev = true;
        self.rule.rev = number::small(unquoted(value))?;
        if self.rule.rev == 0 { Err(wrong("0 is no revision")) } else { Ok(()) }
    }

    pub(super) fn priority(&mut self, value: &str) -> Done {
        if self.given.priority.is_some() {
            return Err(wrong("it stands twice"));
        }
        let priority: u8 = number::small(unquoted(value))?;
        if priority == 0 {
            return Err(wrong("0 is no priority"));
        }
        self.given.priority = Some(priority);
        Ok(())
    }

    pub(super) fn class_type(&mut self, value: &str) -> Done {
        let name = unquoted(value).trim();
        if self.rule.class.is_some() {
            return Err(wrong("it stands twice"));
        }
        if name.is_empty() {
            return Err(wrong("the class is missing"));
        }
        if let Some(class) = self.cx.settings.class(name) {
            self.rule.class = Some((class.name.clone(), class.description.clone()));
            self.rule.priority = class.priority;
            return Ok(());
        }
        // Suricata takes such rules too.
        self.cx.warn("classtype", name, &format!("there is no class {name}: it has priority 3"));
        self.rule.class = Some((self.cx.text(name), self.cx.text(UNKNOWN_CLASS)));
        Ok(())
    }

    pub(super) fn reference(&mut self, value: &str) -> Done {
        let (system, id) =
            unquoted(value).split_once(',').ok_or_else(|| wrong("expected system,identifier"))?;
        let (system, id) = (system.trim(), id.trim());
        if self.cx.settings.reference(system).is_none() {
            let why = format!("there is no system {system} of references: they are left as they are");
            self.cx.warn("reference", system, &why);
        }
        let prefix = self.cx.settings.reference(system).unwrap_or("");
        if id.is_empty() {
            return Err(wrong("the identifier is missing"));
        }
        if self.rule.references.len() >= MAX_REFERENCES {
            return Err(wrong(format!("more than {MAX_REFERENCES} references")));
        }
        let whole =
            system.eq_ignore_ascii_case("url") && (id.starts_with("http://") || id.starts_with("https://"));
        let url = if whole { id.to_owned() } else { [prefix, id].concat() };
        self.rule.references.push(Reference { url: url.into() });
        Ok(())
    }

    pub(super) fn metadata(&mut self, value: &str) -> Done {
        let count = value.bytes().filter(|&b| b == b',').count() + 1;
        if count > MAX_METADATA {
            return Err(wrong(format!("more than {MAX_METADATA} pairs")));
        }
        self.rule.metadata.reserve(count);
        for pair in unquoted(value).split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, text) = pair.split_once(char::is_whitespace).unwrap_or((pair, ""));
            let (key, text): (Arc<str>, Arc<str>) = (self.cx.text(key), self.cx.text(text.trim()));
            self.rule.metadata.push((key, text));
        }
        Ok(())
    }

    pub(super) fn target(&mut self, value: &str) -> Done {
        self.rule.target = Some(match unquoted(value).trim() {
            "src_ip" => Side::Source,
            "dest_ip" | "dst_ip" => Side::Destination,
            other => return Err(wrong(format!("{other:?} is neither src_ip nor dest_ip"))),
        });
        Ok(())
    }

    pub(super) fn noalert(&mut self) -> Done {
        self.rule.noalert = true;
        Ok(())
    }

    pub(super) fn alert(&mut self) -> Done {
        self.rule.noalert = false;
        Ok(())
    }

    pub(super) fn bypass(&mut self) -> Done {
        self.rule.bypass = true;
        Ok(())
    }

    pub(super) fn prefilter(&mut self) -> Done {
        let empty = self.rule.parts.is_empty() && self.rule.fields.is_empty() && self.rule.packet.is_empty();
        if empty {
            return Err(wrong("there is no keyword before it"));
        }
        self.rule.prefilter = true;
        Ok(())
    }
}
