//! Which column of a CSV file is what.

use crate::attributes::Said;
use crate::formats::lists::is_value;
use crate::formats::typed::typed;
use crate::formats::values::{confidence, is_nothing, time};
use crate::indicator::Form;
use crate::loader::Intake;
use crate::malformed::{Malformed, quoted};
use crate::report::LoadError;

/// Columns whose values are of any kind; a column of types may tell which.
const ANY: [&str; 6] = ["indicator", "ioc", "value", "ioc_value", "observable", "indicator_value"];
/// Of columns of one kind the first of these counts: a name says more than the address that it once had.
const KINDS: [Form; 9] = [
    Form::Domain,
    Form::Address,
    Form::Url,
    Form::Host,
    Form::Ja3,
    Form::Ja4,
    Form::Hassh,
    Form::UserAgent,
    Form::Email,
];
const TYPES: [&str; 4] = ["type", "ioc_type", "indicator_type", "kind"];
const TEXTS: [&str; 12] = [
    "meta.desc",
    "description",
    "comment",
    "malware_printable",
    "family",
    "threat",
    "malware",
    "signature",
    "listingreason",
    "name",
    "note",
    "reason",
];
const TAGS: [&str; 3] = ["tags", "tag", "labels"];
const CONFIDENCES: [&str; 2] = ["confidence", "confidence_level"];
const EXPIRIES: [&str; 6] =
    ["expires", "expiry", "expiration", "expiration_date", "expires_at", "valid_until"];
const TECHNIQUES: [&str; 7] =
    ["technique", "techniques", "attack", "mitre", "mitre_attack", "attack_technique", "mitre_technique"];
/// Columns of a file without a header that are looked at.
const MAX_GUESSED: usize = 64;
/// Greatest score of a reputation list of Suricata.
const MAX_SCORE: u32 = 127;

/// Where in a record the indicators are, and what is said about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// A value is in all of these, of the same thing: the hashes of a file.
    values: Vec<(usize, Form)>,
    kind: Option<usize>,
    text: Option<usize>,
    tags: Option<usize>,
    confidence: Option<usize>,
    expires: Option<usize>,
    techniques: Option<usize>,
    /// MISP: whether it is meant for detection.
    to_ids: Option<usize>,
    /// A category and a score follow, as in Suricata's reputation lists.
    reputation: bool,
}

fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['-', ' '], "_")
}

impl Columns {
    /// The columns that a header names; none if it is no header.
    pub fn named(header: &[String], form: Form) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
        let column =
            |wanted: &[&str]| wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted));
        let forms: Vec<Option<Form>> = names.iter().map(|name| Form::named(name)).collect();
        let of_kind = |wanted: Form| forms.iter().position(|&form| form == Some(wanted));
        let mut columns = Columns {
            text: column(&TEXTS),
            tags: column(&TAGS),
            confidence: column(&CONFIDENCES),
            expires: column(&EXPIRIES),
            techniques: column(&TECHNIQUES),
            to_ids: column(&["to_ids"]),
            ..Columns::default()
        };
        if let Some(value) = column(&ANY) {
            columns.values = vec![(value, form)];
            columns.kind = column(&TYPES);
        } else if let Some((value, form)) = KINDS.iter().find_map(|&form| Some((of_kind(form)?, form))) {
            columns.values = vec![(value, form)];
        } else {
            // SSLBL lists certificates, and says no more than "SHA1".
            let of = if column(&["listingreason"]).is_some() { Form::Certificate } else { Form::FileHash };
            let hashes = |wanted: Form| (0..).zip(&forms).filter(move |(_, form)| **form == Some(wanted));
            columns.values = hashes(Form::FileHash).map(|(at, _)| (at, of)).collect();
            columns.values.extend(hashes(Form::Certificate).map(|(at, _)| (at, Form::Certificate)));
        }
        columns.text = columns.text.filter(|&text| columns.values.iter().all(|&(value, _)| value != text));
        (!columns.values.is_empty()).then_some(columns)
    }

    /// The columns of a file without a header, by its first records: the first of those with the most indicators.
    pub fn guessed(records: &[Vec<String>], form: Form) -> Self {
        let Some(record) = records.first() else { return Columns::default() };
        let number = |at: usize| record.get(at).and_then(|field| field.parse::<u32>().ok());
        let address = record.first().is_some_and(|field| Form::Address.read(field).is_ok());
        if address && record.len() == 3 && number(1).is_some() && number(2).is_some_and(|n| n <= MAX_SCORE) {
            return Columns { values: vec![(0, Form::Address)], reputation: true, ..Columns::default() };
        }
        let good = |at: usize| {
            let field = |record: &Vec<String>| record.get(at).is_some_and(|text| is_value(text, form));
            records.iter().filter(|record| field(record)).count()
        };
        let value = (0..record.len().min(MAX_GUESSED)).rev().max_by_key(|&at| good(at)).unwrap_or(0);
        // The second column of a dataset of Suricata is a number without a scale.
        let text = (value == 0 && number(1).is_none()).then_some(1);
        Columns { values: vec![(value, form)], text, ..Columns::default() }
    }

    /// Whether a record has an indicator where it is to be.
    pub fn fits(&self, record: &[String], form: Form) -> bool {
        self.values.iter().any(|&(at, of)| {
            let form = if of == Form::Any { form } else { of };
            record.get(at).is_some_and(|text| is_value(text, form))
        })
    }

    /// Takes in a record.
    pub fn take(&self, intake: &mut Intake<'_>, line: u32, record: &[String]) -> Result<(), LoadError> {
        let field = |at: Option<usize>| record.get(at?).map(String::as_str).filter(|text| !is_nothing(text));
        if field(self.to_ids).is_some_and(|to_ids| matches!(to_ids, "0" | "false" | "False")) {
            intake.ignore();
            return Ok(());
        }
        let mut tags: Vec<&str> =
            field(self.tags).map(|text| text.split([',', ';', '|']).collect()).unwrap_or_default();
        let category;
        let mut said = Said {
            description: field(self.text),
            confidence: field(self.confidence).and_then(confidence),
            techniques: field(self.techniques).into_iter().chain(tags.iter().copied()).collect(),
            ..Said::default()
        };
        if let Some(text) = field(self.expires) {
            let Some(at) = time(text) else {
                intake.skip(line, Malformed::Format(format!("\"{}\" is no time", quoted(text))));
                return Ok(());
            };
            said.expires = Some(at);
        }
        if self.reputation {
            let score =
                field(Some(2)).and_then(|score| score.parse::<u32>().ok()).unwrap_or(0).min(MAX_SCORE);
            if score == 0 {
                intake.ignore();
                return Ok(());
            }
            category = format!("category:{}", field(Some(1)).unwrap_or("0"));
            tags.push(&category);
            said.confidence = Some((score * 100 / MAX_SCORE) as u8);
        }
        said.tags = tags;
        let values = self.values.iter().filter_map(|&(at, form)| Some((field(Some(at))?, form)));
        let mut any = false;
        for (value, form) in values {
            any = true;
            match field(self.kind) {
                Some(kind) => match typed(kind, value) {
                    Some(parts) => {
                        for (form, part) in parts {
                            intake.add(line, form, part, &said)?;
                        }
                    }
                    None => intake.skip(line, Malformed::UnknownType(quoted(kind))),
                },
                None => super::lists::value(intake, line, form, value, &said)?,
            }
        }
        if !any {
            intake.skip(line, Malformed::Empty);
        }
        Ok(())
    }
}
