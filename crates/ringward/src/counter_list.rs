//! Every counter with its meaning, for the reference and for Prometheus.

use std::borrow::Cow;

/// Name and meaning of every counter but those of malformed packets, in the order of the reference. `NAME` and `N` stand
/// for what a port, worker or receiver is called; `*` for several figures of one thing.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fixed = engine::PORT_COUNTERS
        .iter()
        .chain(engine::WORKER_COUNTERS)
        .chain(&engine::EACH_COUNTERS)
        .chain(&engine::VERDICT_COUNTERS)
        .chain(api::API_COUNTERS)
        .chain(::push::COUNTERS)
        .chain(&::fleet::FLEET_COUNTERS);
    let anomalies = flow::defrag::Anomaly::ALL.iter().map(|anomaly| (anomaly.counter(), anomaly.about()));
    fixed.copied().chain(anomalies)
}

/// What a counter means, by its name in [`all`] ([`documented`]).
pub fn meaning(documented: &str) -> Cow<'static, str> {
    if let Some(reason) = documented.strip_prefix("decoder.event.") {
        return format!("Frames that could not be decoded because of {reason}.").into();
    }
    all().find(|(name, _)| *name == documented).map_or("", |(_, about)| about).into()
}

/// The name in [`all`] of a counter that is a worker's, a port's or a receiver's, or one of several figures.
pub fn documented(name: &str) -> String {
    let known = |name: &str| all().any(|(known, _)| known == name);
    if known(name) {
        return name.to_owned();
    }
    let general = match name.split_once('.') {
        Some(("worker", rest)) => rest.split_once('.').map(|(_, counter)| format!("worker.N.{counter}")),
        Some(("push", rest)) => rest.rsplit_once('.').map(|(_, counter)| format!("push.NAME.{counter}")),
        // An interface's name may have dots in it; the counter's has none.
        Some(("port", rest)) => rest.rsplit_once('.').map(|(who, counter)| match queue(who) {
            Some(_) => format!("port.NAME.queueN.{counter}"),
            None => format!("port.NAME.{counter}"),
        }),
        Some(("output", rest)) if rest.starts_with("lost.") => Some("output.lost.TYPE".into()),
        Some(("output", rest)) if rest.ends_with("_lost") => Some("output.NAME_lost".into()),
        _ => None,
    };
    let general = general.unwrap_or_else(|| name.to_owned());
    if known(&general) {
        return general;
    }
    let figure = general.rsplit_once('.').map(|(thing, _)| [format!("{thing}.*"), format!("{thing}.*_ns")]);
    figure.into_iter().flatten().find(|name| known(name)).unwrap_or(general)
}

/// Port and number of "NAME.queueN".
pub fn queue(who: &str) -> Option<(&str, u32)> {
    let (port, queue) = who.rsplit_once(".queue")?;
    Some((port, queue.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_a_number_and_an_object() {
        let names: BTreeSet<&str> = all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all().count(), "each name once");
        for name in &names {
            let below = format!("{name}.");
            let inner = names.iter().find(|other| other.starts_with(&below));
            assert_eq!(inner, None, "{name} is a number");
            assert!(name.split('.').all(|part| !part.is_empty()), "{name}");
        }
    }

    #[test]
    fn counters_of_many_are_found_by_what_they_have_in_common() {
        for (name, general) in [
            ("capture.received", "capture.received"),
            ("worker.12.packets", "worker.N.packets"),
            ("worker.0.packet.p50_ns", "worker.N.packet.*_ns"),
            ("worker.0.ring_depth.max", "worker.N.ring_depth.*"),
            ("port.eth0.100.received", "port.NAME.received"),
            ("port.eth0.100.queue3.steered", "port.NAME.queueN.steered"),
            ("push.soc.sent", "push.NAME.sent"),
            ("output.push.soc_lost", "output.NAME_lost"),
            ("output.events_lost", "output.events_lost"),
            ("isolation.latency.p999_ns", "isolation.latency.*"),
            ("defrag.event.ipv4.frag_tiny", "defrag.event.ipv4.frag_tiny"),
        ] {
            assert_eq!(documented(name), general);
            assert_ne!(meaning(general), "", "{general}");
        }
        assert_ne!(meaning("decoder.event.ipv4.trunc_pkt"), "");
    }
}
