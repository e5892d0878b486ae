//! The summary of an incident: sentences, each made from one fact of the incident and from nothing else.

use super::model::{Incident, Sentence};
use super::verdicts::VerdictSeen;
use crate::text::duration;

/// Verdicts that are told one by one.
const VERDICTS: usize = 3;
/// Accounts that are told one by one.
const ACCOUNTS: usize = 5;

/// Writes the summary anew.
pub(super) fn tell(incident: &mut Incident) {
    let mut sentences = Vec::new();
    let mut say = |fact: &str, text: String| sentences.push(Sentence { fact: fact.into(), text });
    indicators(incident, &mut say);
    rules(incident, &mut say);
    disclosure(incident, &mut say);
    if let Some((last, before)) = incident.accounts.split_last() {
        let named = match before.get(..ACCOUNTS.min(before.len())).unwrap_or_default() {
            [] => last.clone(),
            // The rest is in the list.
            some if incident.accounts.len() > ACCOUNTS => {
                format!("{} and {} more", some.join(", "), incident.accounts.len() - some.len())
            }
            some => format!("{} and {last}", some.join(", ")),
        };
        say("accounts", format!("The traffic names {named}."));
    }
    stage(incident, &mut say);
    verdicts(incident, &mut say);
    incident.summary = sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ");
    incident.sentences = sentences;
}

/// What was seen of an indicator, as a verb.
fn verb(seen: &str) -> &'static str {
    match seen {
        "dns" => "looked up",
        "http" => "sent an HTTP request to",
        "url" => "requested",
        "tls" => "opened a TLS connection to",
        "ip" => "exchanged packets with",
        "file" => "took part in the transfer of the file",
        "certificate" => "was shown the certificate",
        "fingerprint" => "took part in a connection with the fingerprint",
        "user_agent" => "used the user agent",
        "email" => "sent or received mail of",
        _ => "matched",
    }
}

fn indicators(incident: &Incident, say: &mut impl FnMut(&str, String)) {
    let Some(first) = incident.indicators.first() else { return };
    let about = first.description.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
    say("indicator", format!("{} {} {}{about}.", incident.victim, verb(&first.seen), first.observed));
    let hits: u64 = incident.indicators.iter().map(|indicator| indicator.hits).sum();
    if hits > 1 {
        let listed = count(incident.indicators.len() as u64, "listed indicator");
        say("indicators", format!("{listed} matched {hits} times."));
    }
}

fn rules(incident: &Incident, say: &mut impl FnMut(&str, String)) {
    // The first of those that are worst.
    let Some(worst) = incident.rules.iter().min_by_key(|rule| rule.severity) else { return };
    let raised = count(incident.rule_alerts, "alert");
    let text = format!(
        "Rules raised {raised} that name {}; the most severe is \"{}\" (severity {}).",
        incident.victim, worst.signature, worst.severity
    );
    say("rules", text);
}

fn disclosure(incident: &Incident, say: &mut impl FnMut(&str, String)) {
    let told = |what: &str| incident.disclosed.iter().flat_map(|d| &d.told).find(|told| told.what == what);
    let said = ["host_name", "user_name", "operating_system"]
        .into_iter()
        .filter_map(|what| Some(format!("{} {}", what.replace('_', " "), told(what)?.value)))
        .collect::<Vec<_>>();
    if !said.is_empty() {
        say("disclosure", format!("A request gave away its {}.", said.join(", ")));
    }
}

fn stage(incident: &Incident, say: &mut impl FnMut(&str, String)) {
    if incident.kill_chain_stage.is_empty() {
        return;
    }
    let mut shown = incident.techniques.iter().filter(|seen| seen.stage == incident.kill_chain_stage);
    let by_class = shown.clone().next().is_some() && shown.all(|seen| seen.source == "class");
    let by = if by_class { ", by the class of a rule" } else { "" };
    say("stage", format!("The furthest stage of the kill chain is {}{by}.", incident.kill_chain_stage));
}

fn verdicts(incident: &Incident, say: &mut impl FnMut(&str, String)) {
    let victim = &incident.victim;
    if incident.verdicts.is_empty() {
        return say("no_verdict", format!("No verdict was made on {victim}."));
    }
    for (number, seen) in incident.verdicts.iter().take(VERDICTS).enumerate() {
        let by = decided_by(&seen.by, seen.who.as_ref());
        let wish = if number == 0 { "A" } else { "A later" };
        let because = seen.not_enforced_because.as_deref().unwrap_or("no reason is known");
        match (seen.action.as_str(), seen.enforced) {
            ("withhold", _) => {
                say(
                    "withheld",
                    format!("{wish} verdict by {by} to isolate {victim} was withheld: {because}."),
                );
            }
            (_, false) => {
                say(
                    "not_enforced",
                    format!("{wish} verdict by {by} to isolate {victim} was not enforced: {because}."),
                );
            }
            (_, true) => say("isolated", format!("{victim} was isolated {}.", isolated(seen, &by))),
        }
    }
    let more = incident.verdicts.len().saturating_sub(VERDICTS) as u64 + incident.verdicts_omitted;
    if more > 0 {
        say("verdicts", format!("{} more followed.", count(more, "verdict")));
    }
}

/// "after 203 µs by indicator, 17 packets dropped, released by operator (uid 0) at ..."
fn isolated(seen: &VerdictSeen, by: &str) -> String {
    let mut parts = vec![match seen.map_ns {
        Some(ns) => format!("after {} by {by}", duration(ns)),
        None => format!("by {by}"),
    }];
    if seen.end.is_some() || seen.dropped_packets > 0 {
        parts.push(format!("{} dropped", count(seen.dropped_packets, "packet")));
    }
    parts.push(match (&seen.end, &seen.until) {
        (Some(end), _) if end.how == "expired" => format!("expired at {}", end.time),
        (Some(end), _) => format!("released by {} at {}", decided_by(&end.by, end.who.as_ref()), end.time),
        (None, until) => {
            let until = seen.changes.iter().rev().find_map(|change| change.until.as_ref()).or(until.as_ref());
            format!("until {}", until.map_or("an unknown time", String::as_str))
        }
    });
    parts.join(", ")
}

/// "operator (uid 0)".
pub(super) fn decided_by(by: &str, who: Option<&String>) -> String {
    who.map_or_else(|| by.to_owned(), |who| format!("{by} ({who})"))
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
