//! The verdicts of an incident as a table of its report: a row for each verdict, and one for each change and end of it.

use super::html::{esc, rows};
use super::model::Incident;
use super::story::decided_by;
use super::verdicts::{Change, End, VerdictSeen};
use crate::text::duration;

pub(super) fn table(out: &mut String, i: &Incident) -> std::fmt::Result {
    let lines = i.verdicts.iter().flat_map(|seen| {
        let changes = seen.changes.iter().map(change);
        std::iter::once(verdict(seen)).chain(changes).chain(seen.end.iter().map(end))
    });
    let heads =
        ["Time (UTC)", "Verdict", "Decided by", "Reason", "Scope", "Until", "Enforced", "Latency", "Dropped"];
    rows(out, "Verdicts", &heads, lines)?;
    let omitted = i.verdicts_omitted + i.verdicts.iter().map(|seen| seen.changes_omitted).sum::<u64>();
    if omitted > 0 {
        return std::fmt::Write::write_fmt(
            out,
            format_args!(
                "<p class=\"mute\">{omitted} later steps are not listed; eve.json has them all.</p>"
            ),
        );
    }
    Ok(())
}

fn when(time: &str) -> String {
    let short = time.get(..19).map_or_else(|| time.to_owned(), |short| short.replace('T', " "));
    format!("<span class=\"mono nowrap\">{}</span>", esc(&short))
}

fn until(time: Option<&String>) -> String {
    time.map_or_else(String::new, |time| when(time))
}

fn enforced(yes: bool, ports: &[String], because: Option<&String>) -> String {
    match because {
        None if yes && !ports.is_empty() => format!("yes, in the kernel (XDP) on {}", esc(&ports.join(", "))),
        None if yes => "yes, in the kernel (XDP)".into(),
        None => "no".into(),
        Some(why) => format!("no: {}", esc(why)),
    }
}

fn verdict(seen: &VerdictSeen) -> Vec<String> {
    let tag = |class: &str, what: &str| format!("<span class=\"tag {class}\">{what}</span>");
    let what = match (seen.action.as_str(), seen.enforced) {
        ("withhold", _) => tag("warn", "withheld"),
        (_, true) => tag("ok", "isolated"),
        _ => tag("warn", "isolate"),
    };
    let latency = [(seen.alert_ns, "alert"), (seen.map_ns, "isolation"), (seen.first_drop_ns, "first drop")];
    let latency: Vec<String> =
        latency.into_iter().filter_map(|(ns, what)| Some(format!("{what} {}", duration(ns?)))).collect();
    let rule = seen.policy_rule.as_ref();
    let rule = rule.map(|rule| format!(" <span class=\"mute\">policy rule {}</span>", esc(rule)));
    let dropped = match seen.enforced {
        true => format!("{} packets, {} bytes", seen.dropped_packets, seen.dropped_bytes),
        false => String::new(),
    };
    vec![
        when(&seen.time),
        what,
        esc(&decided_by(&seen.by, seen.who.as_ref())) + &rule.unwrap_or_default(),
        esc(&seen.reason),
        esc(&seen.scope),
        until(seen.until.as_ref()),
        enforced(seen.enforced, &seen.enforced_on, seen.not_enforced_because.as_ref()),
        latency.join("<br>"),
        dropped,
    ]
}

fn change(change: &Change) -> Vec<String> {
    let what = match change.action.as_str() {
        "extend" => "changed",
        "restore" => "restored",
        "adopt" => "taken over",
        _ => "decided again",
    };
    vec![
        when(&change.time),
        what.into(),
        esc(&decided_by(&change.by, change.who.as_ref())),
        esc(&change.reason),
        esc(&change.scope),
        until(change.until.as_ref()),
        enforced(change.enforced, &[], change.not_enforced_because.as_ref()),
        String::new(),
        String::new(),
    ]
}

fn end(end: &End) -> Vec<String> {
    let mut row =
        vec![when(&end.time), esc(&end.how), esc(&decided_by(&end.by, end.who.as_ref())), esc(&end.reason)];
    row.resize(9, String::new());
    row
}
