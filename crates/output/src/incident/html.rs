//! The report page: one file, no script, nothing from elsewhere. Every text is escaped, because
//! attackers write most of them.

use std::fmt::Write;

use super::history;
use super::model::Incident;
use crate::text::duration;

const STYLE: &str = "
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--mute:#667085;--line:#e3e7ee;--bad:#c62828;--ok:#1b7f4b;--warn:#b45309;--accent:#2456c7}
@media(prefers-color-scheme:dark){:root{--bg:#11151c;--card:#1a202b;--ink:#e7ebf2;--mute:#98a2b3;--line:#2b3443;--bad:#ff7b72;--ok:#56d19a;--warn:#f5b54a;--accent:#8ab4ff}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main{max-width:1040px;margin:0 auto;padding:32px 20px 64px}h1{font-size:24px;line-height:1.35;margin:8px 0 4px}h2{font-size:16px;margin:0 0 12px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:16px;overflow-x:auto}
.brand{color:var(--mute);font-size:13px;letter-spacing:.06em;text-transform:uppercase}.id{color:var(--mute);font-size:13px}
table{border-collapse:collapse;width:100%;font-size:14px}th{text-align:left;color:var(--mute);font-weight:600}th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}code,.mono{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}.nowrap{white-space:nowrap}
.tag{display:inline-block;border-radius:6px;padding:1px 8px;font-size:12px;font-weight:600;border:1px solid currentColor}.bad{color:var(--bad)}.ok{color:var(--ok)}.warn{color:var(--warn)}.mute{color:var(--mute)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px}.card b{display:block;font-size:20px}.card span{color:var(--mute);font-size:13px}
.chain{display:flex;flex-wrap:wrap;gap:6px}.chain span{flex:1 1 110px;text-align:center;padding:8px 6px;border-radius:6px;border:1px solid var(--line);color:var(--mute);font-size:13px}.chain .hit{background:var(--bad);border-color:var(--bad);color:#fff;font-weight:600}
a{color:var(--accent)}@media print{body{background:#fff}section{break-inside:avoid}}
";

const KILL_CHAIN: [&str; 7] = [
    "Reconnaissance",
    "Weaponization",
    "Delivery",
    "Exploitation",
    "Installation",
    "Command and Control",
    "Actions on Objectives",
];

/// Escapes for text and quoted attributes.
pub(super) fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction overrides can make a name read as another.
            c if c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c) =>
            {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

/// The page of an incident. `base` is the way from the page to the output directory, "..", say: what links to evidence begin
/// with.
#[must_use]
pub fn render_html(incident: &Incident, base: &str) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = page(&mut out, incident, base);
    out
}

fn page(out: &mut String, i: &Incident, base: &str) -> std::fmt::Result {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{id}</title><style>{STYLE}</style></head><body><main>\
         <div class=\"brand\">Ringward incident report</div><h1>{headline}</h1>{rest}\
         <div class=\"id mono\">{id} &middot; {first} to {last}</div>",
        id = esc(&i.id),
        headline = esc(i.sentences.first().map_or(&i.summary, |sentence| &sentence.text)),
        rest = rest(i),
        first = esc(&when(&i.first)),
        last = esc(&when(&i.last))
    )?;
    cards(out, i)?;
    disclosed(out, i)?;
    timeline(out, i)?;
    kill_chain(out, i)?;
    techniques(out, i)?;
    rows(
        out,
        "Indicators",
        &["Kind", "Indicator", "Seen on the wire", "Description", "Source", "Hits"],
        i.indicators.iter().map(|x| {
            vec![
                esc(&x.kind),
                code(&x.value),
                code(&x.observed),
                esc(x.description.as_deref().unwrap_or("")),
                code(&x.source),
                x.hits.to_string(),
            ]
        }),
    )?;
    rows(
        out,
        "Rules",
        &["Signature", "Text", "Class", "Severity", "Source", "Alerts"],
        i.rules.iter().map(|x| {
            vec![
                code(&format!("{}:{}", x.gid, x.sid)),
                esc(&x.signature),
                esc(&x.category),
                severity(x.severity).0.into(),
                code(&x.source),
                x.hits.to_string(),
            ]
        }),
    )?;
    rows(out, "Hosts", &["Address", "Role"], i.hosts.iter().map(|h| vec![code(&h.ip), esc(&h.role)]))?;
    rows(out, "Accounts", &["As named in the traffic"], i.accounts.iter().map(|name| vec![code(name)]))?;
    history::table(out, i)?;
    rows(
        out,
        "Evidence",
        &["Packets of the flow (pcapng)", "Packets", "Bytes"],
        i.evidence.iter().map(|e| {
            vec![
                format!("<a href=\"{}/{}\"><code>{}</code></a>", link(base), link(&e.file), esc(&e.file)),
                e.packets.to_string(),
                e.bytes.to_string(),
            ]
        }),
    )?;
    out.write_str("</main></body></html>\n")
}

/// What the summary says beyond its first sentence.
fn rest(i: &Incident) -> String {
    let rest: Vec<String> = i.sentences.iter().skip(1).map(|sentence| esc(&sentence.text)).collect();
    if rest.is_empty() { String::new() } else { format!("<p>{}</p>", rest.join(" ")) }
}

/// A path as part of a URL (RFC 3986): what is not unreserved there is percent-encoded, save `/` and the colon of a scheme.
fn link(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A time of EVE as RFC 3339 has it.
fn when(eve: &str) -> String {
    eve.strip_suffix("+0000").map_or_else(|| eve.to_owned(), |time| format!("{time}Z"))
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", esc(text))
}

pub(super) fn rows(
    out: &mut String,
    title: &str,
    heads: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> std::fmt::Result {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    write!(out, "<section><h2>{title}</h2><table><tr>")?;
    for head in heads {
        write!(out, "<th>{head}</th>")?;
    }
    out.write_str("</tr>")?;
    for row in rows {
        out.write_str("<tr>")?;
        for cell in row {
            write!(out, "<td>{cell}</td>")?;
        }
        out.write_str("</tr>")?;
    }
    out.write_str("</table></section>")
}

fn severity(level: u8) -> (&'static str, &'static str) {
    match level {
        1 => ("High", "bad"),
        2 => ("Medium", "warn"),
        3 => ("Low", "mute"),
        _ => ("Informational", "mute"),
    }
}

fn cards(out: &mut String, i: &Incident) -> std::fmt::Result {
    let (level, class) = severity(i.severity);
    let status = match i.status.as_str() {
        "isolated" => "ok",
        "not isolated" => "warn",
        _ => "mute",
    };
    write!(
        out,
        "<section><div class=\"cards\">\
         <div class=\"card\"><b class=\"{class}\">{level}</b><span>severity</span></div>\
         <div class=\"card\"><b class=\"{status}\">{}</b><span>status</span></div>\
         <div class=\"card\"><b>{}</b><span>alerts</span></div>",
        esc(&i.status),
        i.alerts
    )?;
    for (ns, what) in [
        (i.verdict.alert_ns, "packet to alert"),
        (i.verdict.map_ns, "packet to isolation"),
        (i.verdict.first_drop_ns, "packet to first drop"),
    ] {
        if let Some(ns) = ns {
            write!(out, "<div class=\"card\"><b>{}</b><span>{what}</span></div>", duration(ns))?;
        }
    }
    out.write_str("</div></section>")
}

fn disclosed(out: &mut String, i: &Incident) -> std::fmt::Result {
    let lines = i.disclosed.iter().flat_map(|d| d.told.iter().map(move |t| (d, t)));
    rows(
        out,
        "What the C2 request gave away",
        &["What", "Value", "Found in", "Encoding", "Request"],
        lines.map(|(d, t)| {
            let encodings = if t.encodings.is_empty() { "plain".to_owned() } else { t.encodings.join(", ") };
            let what = t.what.replace('_', " ");
            vec![
                esc(&what),
                format!("<b>{}</b>", esc(&t.value)),
                esc(&t.found_in),
                esc(&encodings),
                code(&d.uri),
            ]
        }),
    )
}

fn timeline(out: &mut String, i: &Incident) -> std::fmt::Result {
    let begin = i.timeline.first().map_or(0, |s| s.time_ns);
    rows(
        out,
        "Timeline",
        &["Time (UTC)", "After", "Event", ""],
        i.timeline.iter().map(|s| {
            let class = match s.kind.as_str() {
                "isolation" => "ok",
                "decoded" => "warn",
                _ => "bad",
            };
            vec![
                format!("<span class=\"mono nowrap\">{}</span>", esc(s.time.get(11..26).unwrap_or(&s.time))),
                format!("<span class=\"mute nowrap\">+{}</span>", duration(s.time_ns.saturating_sub(begin))),
                format!("<span class=\"tag {class}\">{}</span>", esc(&s.kind)),
                format!("<span class=\"mono\">{}</span>", esc(&s.what)),
            ]
        }),
    )?;
    if i.steps_omitted > 0 {
        write!(
            out,
            "<p class=\"mute\">{} later steps are not listed; eve.json has them all.</p>",
            i.steps_omitted
        )?;
    }
    Ok(())
}

fn kill_chain(out: &mut String, i: &Incident) -> std::fmt::Result {
    out.write_str("<section><h2>Kill chain</h2><div class=\"chain\">")?;
    for stage in KILL_CHAIN {
        let hit = i.techniques.iter().any(|t| t.stage == stage) || i.kill_chain_stage == stage;
        write!(out, "<span{}>{stage}</span>", if hit { " class=\"hit\"" } else { "" })?;
    }
    out.write_str("</div></section>")
}

fn techniques(out: &mut String, i: &Incident) -> std::fmt::Result {
    rows(
        out,
        "ATT&amp;CK techniques",
        &["Tactic", "Technique", "Name", "Shown by"],
        i.techniques.iter().map(|t| {
            vec![
                format!("{} <span class=\"mute\">{}</span>", esc(&t.tactic), esc(&t.tactic_id)),
                code(&t.id),
                esc(&t.name),
                match t.source.as_str() {
                    "class" => "<span class=\"mute\">by class</span>".into(),
                    "author" => "the rule".into(),
                    "list" => "the list".into(),
                    _ => "what was seen".into(),
                },
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_attackers_write_stays_text() {
        let hostile = "<script>alert('\"&\u{202e}\0')</script>";
        let escaped = esc(hostile);
        assert!(!escaped.contains(['<', '>', '"', '\'', '\u{202e}', '\0']), "{escaped}");
    }
}
