//! State between packets: `flow`, `flowbits`, `xbits`, `hostbits`, `flowint`, `threshold`, `detection_filter`, `tag`.

use crate::fault::{Done, Fault, unsupported, wrong};
use crate::number;
use crate::options::unquoted;
use crate::rule::{
    BitOp, DetectionFilter, IntOp, StateOp, Tag, TagMetric, TagScope, Threshold, ThresholdKind, Track,
};

use super::Builder;

/// Names in one `flowbits`.
const MAX_NAMES: usize = 256;
/// Seconds until a bit is unset if nothing is said.
const EXPIRE: u32 = 30;
/// Seconds until a host's bit is unset if nothing is said.
const HOST_EXPIRE: u32 = 300;
/// Packets that `tag` keeps if nothing is said.
const TAG_PACKETS: u32 = 256;

fn words(value: &str) -> impl Iterator<Item = &str> {
    unquoted(value).split(',').map(str::trim)
}

fn bit_op(word: &str) -> Result<BitOp, Fault> {
    Ok(match word {
        "set" => BitOp::Set,
        "unset" => BitOp::Unset,
        "toggle" => BitOp::Toggle,
        "isset" => BitOp::IsSet,
        "isnotset" => BitOp::IsNotSet,
        _ => return Err(wrong(format!("{word:?} is no operation"))),
    })
}

/// What is counted together.
pub(crate) fn track(word: &str) -> Result<Track, Fault> {
    Ok(match word {
        "by_src" => Track::Source,
        "by_dst" => Track::Destination,
        "by_both" => Track::Both,
        "by_rule" => Track::Rule,
        "by_flow" => Track::Flow,
        _ => return Err(wrong(format!("{word:?} is nothing that is counted by"))),
    })
}

/// A name of a bit or a variable.
fn plain(name: &str) -> Result<&str, Fault> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || matches!(c, '|' | ',' | '"')) {
        return Err(wrong(format!("{name:?} is not a name")));
    }
    Ok(name)
}

impl Builder<'_> {
    pub(super) fn flow(&mut self, value: &str) -> Done {
        if self.given.flow {
            return Err(wrong("it stands twice"));
        }
        self.given.flow = true;
        let flow = &mut self.rule.flow;
        let mut stateless = false;
        for word in words(value) {
            let place = match word.to_ascii_lowercase().as_str() {
                "to_server" | "from_client" => &mut flow.to_server,
                "to_client" | "from_server" => &mut flow.to_client,
                "established" => &mut flow.established,
                "not_established" => &mut flow.not_established,
                "only_stream" => &mut flow.only_stream,
                "no_stream" => &mut flow.no_stream,
                "only_frag" => &mut flow.only_frag,
                "no_frag" => &mut flow.no_frag,
                "stateless" => &mut stateless,
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            };
            if std::mem::replace(place, true) {
                return Err(wrong(format!("{word} stands twice")));
            }
        }
        let states = [flow.established, flow.not_established, stateless];
        let pairs = [
            (flow.to_server, flow.to_client),
            (flow.only_stream, flow.no_stream),
            (flow.only_frag, flow.no_frag),
        ];
        if states.iter().filter(|&&s| s).count() > 1 || pairs.contains(&(true, true)) {
            return Err(wrong("its words contradict each other"));
        }
        Ok(())
    }

    pub(super) fn flowbits(&mut self, value: &str) -> Done {
        let value = unquoted(value).trim();
        if value == "noalert" {
            return self.noalert();
        }
        let (op, names) = value.split_once(',').ok_or_else(|| wrong("expected operation,name"))?;
        let op = bit_op(op.trim())?;
        let list: Vec<&str> = names.split('|').map(str::trim).collect();
        if list.len() > MAX_NAMES {
            return Err(wrong(format!("more than {MAX_NAMES} names")));
        }
        if list.len() > 1 && !op.asks() {
            return Err(wrong("only isset and isnotset take more than one name"));
        }
        let mut names = Vec::with_capacity(list.len());
        for name in list {
            names.push(self.cx.text(plain(name)?));
        }
        self.rule.state.push(StateOp::Flowbit { op, names });
        Ok(())
    }

    pub(super) fn xbits(&mut self, value: &str) -> Done {
        let mut words = words(value);
        let op = bit_op(words.next().unwrap_or(""))?;
        let name = plain(words.next().unwrap_or(""))?;
        let (mut by, mut expire) = (None, EXPIRE);
        for word in words {
            match word.split_once(char::is_whitespace).map(|(n, v)| (n, v.trim())) {
                Some(("track", "ip_src")) => by = Some(Track::Source),
                Some(("track", "ip_dst")) => by = Some(Track::Destination),
                Some(("track", "ip_pair")) => by = Some(Track::Both),
                Some(("track", "tx")) => return Err(unsupported("bits of transactions")),
                Some(("expire", seconds)) => {
                    expire = number::small(seconds)?;
                    if expire == 0 {
                        return Err(wrong("expire 0"));
                    }
                }
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let track = by.ok_or_else(|| wrong("track is missing"))?;
        let name = self.cx.text(name);
        self.rule.state.push(StateOp::Xbit { op, name, track, expire, host: false });
        Ok(())
    }

    pub(super) fn hostbits(&mut self, value: &str) -> Done {
        let mut words = words(value);
        let op = bit_op(words.next().unwrap_or(""))?;
        let name = plain(words.next().unwrap_or(""))?;
        let track = match words.next() {
            None | Some("src") => Track::Source,
            Some("dst") => Track::Destination,
            Some("both") => return Err(unsupported("bits of both hosts")),
            Some(word) => return Err(wrong(format!("{word:?} is no host"))),
        };
        let expire = words.next().map_or(Ok(HOST_EXPIRE), nonzero)?;
        if let Some(word) = words.next() {
            return Err(wrong(format!("{word:?} is too much")));
        }
        let name = self.cx.text(name);
        self.rule.state.push(StateOp::Xbit { op, name, track, expire, host: true });
        Ok(())
    }

    pub(super) fn flowint(&mut self, value: &str) -> Done {
        let mut words = words(value);
        let (name, op) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let op = match op {
            "=" => IntOp::Set,
            "+" => IntOp::Add,
            "-" => IntOp::Subtract,
            "<" => IntOp::Less,
            "<=" => IntOp::LessOrEqual,
            "==" => IntOp::Equal,
            "!=" => IntOp::NotEqual,
            ">=" => IntOp::GreaterOrEqual,
            ">" => IntOp::Greater,
            "isset" => IntOp::IsSet,
            "notset" | "isnotset" => IntOp::IsNotSet,
            _ => return Err(wrong(format!("{op:?} is no operation"))),
        };
        let operand = words.next();
        let value = match operand {
            None if matches!(op, IntOp::IsSet | IntOp::IsNotSet) => Ok(0),
            None => return Err(wrong("the operand is missing")),
            Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) => Ok(number::small(text)?),
            Some(text) => Err(self.cx.text(plain(text)?)),
        };
        let name = self.cx.text(plain(name)?);
        self.rule.state.push(StateOp::Flowint { op, name, value });
        Ok(())
    }

    pub(super) fn threshold(&mut self, value: &str) -> Done {
        if self.rule.detection_filter.is_some() {
            return Err(wrong("it stands together with detection_filter"));
        }
        let new = threshold(value)?;
        // Two of them both have to pass; what passes always can be left out.
        let passes = |t: &Threshold| t.kind == ThresholdKind::Threshold && t.count == 1;
        match &self.rule.threshold {
            Some(_) if passes(&new) => {}
            Some(known) if !passes(known) => return Err(unsupported("more than one that counts")),
            _ => self.rule.threshold = Some(new),
        }
        Ok(())
    }

    pub(super) fn detection_filter(&mut self, value: &str) -> Done {
        if self.rule.threshold.is_some() || self.rule.detection_filter.is_some() {
            return Err(wrong("threshold and detection_filter stand once, and not both"));
        }
        let (mut by, mut count, mut seconds) = (None, None, None);
        for word in words(value) {
            match pair(word)? {
                ("track", value) => by = Some(track(value)?),
                ("count", value) => count = Some(nonzero(value)?),
                ("seconds", value) => seconds = Some(nonzero(value)?),
                ("unique_on", _) => return Err(unsupported("unique_on")),
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let (Some(track), Some(count), Some(seconds)) = (by, count, seconds) else {
            return Err(wrong("expected track, count and seconds"));
        };
        self.rule.detection_filter = Some(DetectionFilter { track, count, seconds });
        Ok(())
    }

    pub(super) fn tag(&mut self, value: &str) -> Done {
        let list: Vec<&str> = words(value).collect();
        let scope = match list.first().copied() {
            Some("session") => TagScope::Session,
            Some("host") => match list.get(3).copied() {
                Some("src") => TagScope::Source,
                Some("dst") => TagScope::Destination,
                _ => return Err(wrong("host needs src or dst")),
            },
            _ => return Err(wrong("expected session or host")),
        };
        let metric = match (list.get(1), list.get(2).copied()) {
            (None, _) => TagMetric::Packets(TAG_PACKETS),
            (Some(count), Some("packets")) => TagMetric::Packets(nonzero(count)?),
            (Some(count), Some("seconds")) => TagMetric::Seconds(nonzero(count)?),
            (Some(count), Some("bytes")) => TagMetric::Bytes(nonzero(count)?),
            _ => return Err(wrong("expected packets, seconds or bytes")),
        };
        let most = if scope == TagScope::Session { 3 } else { 4 };
        if list.len() > most {
            return Err(wrong("too many words"));
        }
        self.rule.tag = Some(Tag { scope, metric });
        Ok(())
    }
}

fn pair(word: &str) -> Result<(&str, &str), Fault> {
    let pair = word.split_once(char::is_whitespace).map(|(name, value)| (name, value.trim()));
    pair.ok_or_else(|| wrong(format!("{word:?} is not a name and a value")))
}

/// A number above 0.
pub(crate) fn nonzero(text: &str) -> Result<u32, Fault> {
    match number::small(text)? {
        0 => Err(wrong("0 is not possible there")),
        value => Ok(value),
    }
}

/// `type`, `track`, `count`, `seconds` in any order, as rules and threshold files have them.
pub(crate) fn threshold(value: &str) -> Result<Threshold, Fault> {
    let (mut kind, mut by, mut count, mut seconds, mut factor) = (None, None, None, None, None);
    for word in words(value) {
        match pair(word)? {
            ("type", value) if kind.is_none() => {
                kind = Some(match value {
                    "limit" => ThresholdKind::Limit,
                    "threshold" => ThresholdKind::Threshold,
                    "both" => ThresholdKind::Both,
                    "backoff" => ThresholdKind::Backoff { multiplier: 0 },
                    _ => return Err(wrong(format!("there is no type {value}"))),
                });
            }
            ("track", value) if by.is_none() => by = Some(track(value)?),
            ("count", value) if count.is_none() => count = Some(nonzero(value)?),
            ("seconds", value) if seconds.is_none() => seconds = Some(nonzero(value)?),
            ("multiplier", value) if factor.is_none() => factor = Some(nonzero(value)?),
            _ => return Err(wrong(format!("{word:?} is not one of its words, or stands twice"))),
        }
    }
    let (Some(kind), Some(track), Some(count)) = (kind, by, count) else {
        return Err(wrong("expected type, track, count and seconds"));
    };
    match (kind, factor, seconds) {
        (ThresholdKind::Backoff { .. }, Some(multiplier), None) if multiplier > 1 => {
            if track != Track::Flow {
                return Err(wrong("backoff counts by_flow"));
            }
            Ok(Threshold { kind: ThresholdKind::Backoff { multiplier }, track, count, seconds: 0 })
        }
        (ThresholdKind::Backoff { .. }, _, _) => {
            Err(wrong("backoff has a multiplier above 1 and no seconds"))
        }
        (kind, None, Some(seconds)) => Ok(Threshold { kind, track, count, seconds }),
        _ => Err(wrong("expected type, track, count and seconds")),
    }
}
