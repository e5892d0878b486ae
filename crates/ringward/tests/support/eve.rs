//! What readers of eve.json rely on: schemas, and one type for each name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::shared_data;

/// Ringward's own schema.
static OWN: LazyLock<(Validator, Vec<String>)> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/eve-ringward.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let types = schema["properties"]["event_type"]["enum"].as_array().unwrap();
    let types = types.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    (jsonschema::validator_for(&schema).unwrap(), types)
});
/// What Ringward says of `alert.metadata`, which Suricata's schema leaves open.
static METADATA: LazyLock<Validator> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/eve-ringward.schema.json");
    let mut schema: Value = serde_json::from_str(text).unwrap();
    let definitions = schema["$defs"].take();
    let reference = serde_json::json!({"$ref": "#/$defs/alert_metadata", "$defs": definitions});
    jsonschema::validator_for(&reference).unwrap()
});
/// Suricata's schema, where the shared data is.
static SURICATA: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let path = shared_data()?.join("schema/eve-8.0.6.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Some(jsonschema::validator_for(&schema).unwrap())
});

/// Panics unless a line is valid by the schema that its event type is in: ours, or else Suricata's (if it is there).
pub fn valid(event: &Value) {
    let check = |validator: &Validator, value: &Value, whose: &str| {
        if let Err(err) = validator.validate(value) {
            panic!("{whose} schema: {err} at {}: {event}", err.instance_path());
        }
    };
    let (own, types) = &*OWN;
    if types.iter().any(|name| event["event_type"] == **name) {
        return check(own, event, "Ringward's");
    }
    if event["event_type"] == "alert" {
        check(&METADATA, &event["alert"]["metadata"], "Ringward's (alert.metadata)");
    }
    if let Some(suricata) = &*SURICATA {
        check(suricata, event, "Suricata's");
    }
}

/// The mapping that Elasticsearch makes of events it has not seen before: dots in names open objects, elements of arrays
/// are what the array is, and a name is of one type. Texts are texts, whatever they look like.
#[derive(Debug, Default)]
pub struct Mapping(BTreeMap<String, BTreeMap<&'static str, String>>);

impl Mapping {
    /// Indexes an event.
    pub fn add(&mut self, event: &Value) {
        self.value("", event, event["event_type"].as_str().unwrap_or_default());
    }

    fn value(&mut self, path: &str, value: &Value, event: &str) {
        let kind = match value {
            Value::Null => return,
            Value::Array(values) => return values.iter().for_each(|value| self.value(path, value, event)),
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "long",
            Value::String(_) => "text",
            Value::Object(_) => "object",
        };
        self.0.entry(path.to_owned()).or_default().entry(kind).or_insert_with(|| event.to_owned());
        for (name, value) in value.as_object().into_iter().flatten() {
            let mut place = path.to_owned();
            for (at, part) in name.split('.').enumerate() {
                assert!(!part.is_empty(), "Elasticsearch refuses the name \"{name}\" in {event}");
                if at > 0 {
                    self.0.entry(place.clone()).or_default().entry("object").or_insert(event.to_owned());
                }
                place = if place.is_empty() { part.to_owned() } else { format!("{place}.{part}") };
            }
            self.value(&place, value, event);
        }
    }

    /// Names of more than one type, with an event of each.
    pub fn conflicts(&self) -> Vec<String> {
        let several = self.0.iter().filter(|(_, types)| types.len() > 1);
        several.map(|(path, types)| format!("{path}: {types:?}")).collect()
    }
}

#[test]
fn a_name_that_is_a_number_and_an_object_is_a_conflict() {
    let mut mapping = Mapping::default();
    for counters in [r#"{"capture.dropped": 1}"#, r#"{"capture": {"lost": [2, 3]}}"#] {
        let counters: Value = serde_json::from_str(counters).unwrap();
        mapping.add(&serde_json::json!({"event_type": "counters", "counters": counters}));
    }
    assert_eq!(mapping.conflicts(), Vec::<String>::new());
    mapping.add(&serde_json::json!({"event_type": "x", "counters": {"capture.dropped.nic": 1}}));
    assert_eq!(mapping.conflicts().len(), 1, "{:?}", mapping.conflicts());
    mapping.add(&serde_json::json!({"event_type": "y", "counters": {"capture": {"lost": 0.5}}}));
    assert_eq!(mapping.conflicts().len(), 2, "{:?}", mapping.conflicts());
}
