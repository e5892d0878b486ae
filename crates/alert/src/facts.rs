//! What an alert says in ATT&CK's terms and how sure it is, whoever raised it: a detector, an indicator's list, or
//! the author of a rule in its `metadata`.

use crate::{Alert, Basis, ClassTechnique, RuleFacts, Tactic, class};

/// How sure a rule's author is (`metadata: confidence`), in percent.
const CONFIDENCE: [(&str, u8); 3] = [("high", 90), ("medium", 60), ("low", 30)];

impl RuleFacts {
    /// The values of a key of the rule's metadata; keys are compared without their case.
    pub fn values(&self, key: &'static str) -> impl Iterator<Item = &str> {
        let of = self.metadata.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key));
        of.flat_map(|(_, values)| values).map(|value| &**value)
    }

    /// The technique that its class stands for, if its author names neither a technique nor a tactic.
    #[must_use]
    pub fn by_class(&self) -> Option<&'static ClassTechnique> {
        const AUTHORS: [&str; 3] = ["mitre_technique_id", "mitre_tactic_id", "mitre_tactic_name"];
        let named = AUTHORS.into_iter().any(|key| self.values(key).next().is_some());
        if named { None } else { class(&self.class)?.technique.as_ref() }
    }

    /// Identifiers of the ATT&CK techniques that its author names, or else of the one that its class stands for.
    pub fn technique_ids(&self) -> impl Iterator<Item = &str> {
        self.values("mitre_technique_id").chain(self.by_class().map(|technique| technique.id))
    }

    /// The tactics that its author names, or else the one of its class. Some may come twice.
    pub fn tactics(&self) -> impl Iterator<Item = Tactic> {
        let named =
            self.values("mitre_tactic_id").chain(self.values("mitre_tactic_name")).filter_map(Tactic::named);
        named.chain(self.by_class().map(|technique| technique.tactic))
    }

    /// How sure its author is, if he says so: "High" is 90 %, "Medium" 60 %, "Low" 30 %.
    #[must_use]
    pub fn confidence(&self) -> Option<u8> {
        let said = self.values("confidence").next()?;
        CONFIDENCE.into_iter().find(|(name, _)| said.eq_ignore_ascii_case(name)).map(|(_, percent)| percent)
    }
}

impl Alert {
    /// The technique that its rule's class stands for, if nobody names one.
    #[must_use]
    pub fn by_class(&self) -> Option<&'static ClassTechnique> {
        let listed = self.hit.as_ref().is_some_and(|hit| !hit.techniques.is_empty());
        if listed || !self.techniques.is_empty() { None } else { self.rule.as_ref()?.by_class() }
    }

    /// How sure it is that the victim is the host in trouble, in percent; `None` without a victim.
    #[must_use]
    pub fn victim_confidence(&self) -> Option<u8> {
        self.victim.map(|_| self.basis.unwrap_or(Basis::Detector).confidence())
    }

    /// Identifiers of the ATT&CK techniques: of the finding, of the indicator's list, of the rule's metadata, or else of
    /// the rule's class. Some may come twice.
    pub fn technique_ids(&self) -> impl Iterator<Item = &str> {
        let own = self.techniques.iter().map(|technique| technique.id());
        let listed = self.hit.iter().flat_map(|hit| &hit.techniques).map(String::as_str);
        let authors = self.rule.iter().flat_map(|rule| rule.values("mitre_technique_id"));
        own.chain(listed).chain(authors).chain(self.by_class().map(|technique| technique.id))
    }

    /// The tactics: of the finding's techniques, of the rule's metadata, or else of the rule's class. Some may come twice.
    pub fn tactics(&self) -> impl Iterator<Item = Tactic> {
        let of = |rule: &'static str| {
            let values = self.rule.iter().flat_map(move |facts| facts.values(rule));
            values.filter_map(Tactic::named)
        };
        let own = self.techniques.iter().map(|technique| technique.tactic());
        let authors = of("mitre_tactic_id").chain(of("mitre_tactic_name"));
        own.chain(authors).chain(self.by_class().map(|technique| technique.tactic))
    }

    /// How sure the alert is, in percent. A list that says nothing of its indicator is sure of it; a rule whose author
    /// says nothing, and a detector, say nothing here either.
    #[must_use]
    pub fn confidence(&self) -> Option<u8> {
        match (&self.hit, &self.rule) {
            (Some(hit), _) => Some(hit.confidence.unwrap_or(100)),
            (None, rule) => rule.as_ref().and_then(|rule| rule.confidence()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RuleAction, Stage};

    fn rule(metadata: &[(&str, &str)]) -> RuleFacts {
        RuleFacts {
            action: RuleAction::Alert,
            target: None,
            zones: Default::default(),
            class: "trojan-activity".into(),
            tagged: false,
            limited: false,
            metadata: metadata.iter().map(|&(key, value)| (key.into(), vec![value.into()])).collect(),
            references: Vec::new(),
            source: "x.rules:1".into(),
        }
    }

    #[test]
    fn authors_say_how_sure_they_are() {
        for (said, percent) in [("High", Some(90)), ("medium", Some(60)), ("Low", Some(30)), ("very", None)] {
            assert_eq!(rule(&[("confidence", said)]).confidence(), percent);
        }
        assert_eq!(rule(&[("created_at", "2026_01_01")]).confidence(), None);
        let values: Vec<String> =
            rule(&[("a", "1"), ("b", "2"), ("A", "3")]).values("a").map(str::to_owned).collect();
        assert_eq!(values, ["1", "3"]);
    }

    #[test]
    fn what_an_author_says_wins_over_the_class() {
        let id = |rule: RuleFacts| rule.by_class().map(|technique| technique.id);
        assert_eq!(id(rule(&[])), Some("T1071"));
        assert_eq!(id(rule(&[("mitre_technique_id", "T1105")])), None);
        assert_eq!(id(rule(&[("mitre_tactic_name", "Discovery")])), None);
        assert_eq!(id(RuleFacts { class: "bad-unknown".into(), ..rule(&[]) }), None);
    }

    #[test]
    fn tactics_and_stages_are_found_by_their_names() {
        for tactic in Tactic::ALL {
            assert_eq!(Tactic::named(tactic.id()), Some(tactic));
            assert_eq!(Tactic::named(&tactic.name().to_uppercase().replace(' ', "_")), Some(tactic));
        }
        for stage in Stage::ALL {
            assert_eq!(Stage::named(&stage.name().to_lowercase().replace(' ', "-")), Some(stage));
        }
        assert_eq!((Tactic::named("TA9999"), Stage::named("")), (None, None));
    }
}
