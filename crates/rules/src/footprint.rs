//! Memory that rules take.

use std::collections::HashSet;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use crate::rule::{Rule, StateOp};
use crate::test::{PacketTest, Part, Test};

/// Bytes on the heap that rules take, each text and list that they share counted once.
#[must_use]
pub fn footprint(rules: &[Rule]) -> u64 {
    let mut seen = Seen(HashSet::new());
    let bytes: usize = rules.iter().map(|rule| size_of::<Rule>() + seen.rule(rule)).sum();
    bytes as u64
}

/// Where shared things are that are counted already.
struct Seen(HashSet<usize>);

impl Seen {
    fn shared<T: ?Sized>(&mut self, value: &Arc<T>) -> usize {
        // Two counters stand before what is shared.
        let fresh = self.0.insert(Arc::as_ptr(value).cast::<u8>() as usize);
        if fresh { size_of_val::<T>(value) + 2 * size_of::<usize>() } else { 0 }
    }

    fn rule(&mut self, rule: &Rule) -> usize {
        let header = &rule.header;
        let mut bytes = self.shared(&header.src.any_of) + self.shared(&header.src.none_of);
        bytes += self.shared(&header.dst.any_of) + self.shared(&header.dst.none_of);
        bytes += self.shared(&header.src_ports.ranges) + self.shared(&header.dst_ports.ranges);
        bytes += self.shared(&rule.msg);
        if let Some((name, description)) = &rule.class {
            bytes += self.shared(name) + self.shared(description);
        }
        bytes += size_of_val(rule.references.as_slice()) + size_of_val(rule.metadata.as_slice());
        bytes += rule.references.iter().map(|r| self.shared(&r.url)).sum::<usize>();
        bytes += rule.metadata.iter().map(|(k, v)| self.shared(k) + self.shared(v)).sum::<usize>();
        bytes += size_of_val(rule.fields.as_slice()) + size_of_val(rule.packet.as_slice());
        bytes += rule.packet.iter().map(|test| self.packet(test)).sum::<usize>();
        bytes += size_of_val(rule.state.as_slice());
        bytes += rule.state.iter().map(|op| self.state(op)).sum::<usize>();
        bytes + size_of_val(rule.parts.as_slice()) + rule.parts.iter().map(|p| self.part(p)).sum::<usize>()
    }

    fn packet(&mut self, test: &PacketTest) -> usize {
        match test {
            PacketTest::FileHash { hashes, .. } => {
                let list = self.shared(hashes);
                if list == 0 { 0 } else { list + hashes.iter().map(Vec::capacity).sum::<usize>() }
            }
            PacketTest::Addresses(list) => size_of_val(list.as_slice()),
            _ => 0,
        }
    }

    fn state(&mut self, op: &StateOp) -> usize {
        match op {
            StateOp::Flowbit { names, .. } => {
                size_of_val(names.as_slice()) + names.iter().map(|name| self.shared(name)).sum::<usize>()
            }
            StateOp::Xbit { name, .. } | StateOp::Flowint { name, .. } => self.shared(name),
        }
    }

    fn part(&mut self, part: &Part) -> usize {
        size_of_val(part.transforms.as_slice()) + self.tests(&part.tests)
    }

    fn tests(&mut self, tests: &[Test]) -> usize {
        let inner: usize = tests
            .iter()
            .map(|test| match test {
                Test::Content(content) => content.pattern.capacity(),
                Test::Pcre(pcre) => self.shared(&pcre.pattern) + size_of_val(pcre.captures.as_slice()),
                Test::Dataset(set) => {
                    let list = self.shared(&set.entries);
                    let values = set.entries.iter().map(|(value, _)| value.capacity()).sum::<usize>();
                    if list == 0 { 0 } else { list + values }
                }
                Test::Base64(base64) => self.tests(&base64.tests),
                _ => 0,
            })
            .sum();
        size_of_val(tests) + inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loader, Settings};

    fn of(text: &str) -> u64 {
        let mut loader = Loader::new(Settings::default());
        loader.text("x", text.as_bytes());
        footprint(&loader.finish().0)
    }

    #[test]
    fn what_rules_share_counts_once() {
        let one =
            "alert tcp any any -> any any (msg:\"m\"; content:\"abc\"; pcre:\"/long expression/\"; sid:1;)\n";
        let two = one.replace("sid:1", "sid:2").replace("\"m\"", "\"\"");
        let (alone, both) = (of(one), of(&[one, &two].concat()));
        assert!(alone > size_of::<Rule>() as u64 && both < 2 * alone && both > alone, "{alone} {both}");
    }
}
