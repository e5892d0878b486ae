//! The set of addresses that most rules name, the home network as a rule. Whether the ends of a packet are in it leaves
//! a part of the rules to look for: not what only hosts outside do, nor what is only done to those inside.

use std::collections::HashMap;

use rules::{AddressSet, Header, Rule};
use wire::Endpoint;

use super::addresses::Addresses;

/// Whether the sender is in the set (bit 0) and the receiver (bit 1).
pub(crate) const CASES: usize = 4;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Home(Addresses);

impl Home {
    /// Of these rules.
    pub(crate) fn of(rules: &[Rule]) -> Self {
        let mut named: HashMap<&AddressSet, usize> = HashMap::new();
        for set in rules.iter().flat_map(|rule| [&rule.header.src, &rule.header.dst]) {
            if !set.any_of.is_empty() && set.none_of.is_empty() {
                *named.entry(set).or_default() += 1;
            }
        }
        // Of those named as often the first by address, so that the same rules always give the same set.
        let first = |set: &AddressSet| set.any_of.first().map(|range| (range.first, range.last));
        let most = named.into_iter().max_by_key(|(set, count)| (*count, first(set)));
        Home(most.map_or_else(Addresses::default, |(set, _)| Addresses::new(set)))
    }

    /// Which of the [`CASES`] it is if one sends to the other.
    #[inline]
    pub(crate) fn case(&self, from: Endpoint, to: Endpoint) -> usize {
        if self.0.is_any() {
            return 0;
        }
        usize::from(self.0.contain(from.ip)) | usize::from(self.0.contain(to.ip)) << 1
    }

    /// The cases in which a header can take a packet, as bits.
    pub(crate) fn cases(&self, header: &Header) -> u8 {
        let may = |case: &usize| {
            let (from, to) = (case & 1 == 1, case & 2 == 2);
            let way = |from, to| self.takes(&header.src, from) && self.takes(&header.dst, to);
            way(from, to) || (header.both_ways && way(to, from))
        };
        (0..CASES).filter(may).fold(0, |cases, case| cases | 1 << case)
    }

    /// Whether a set can have an address that is in this one, or is not.
    fn takes(&self, set: &AddressSet, inside: bool) -> bool {
        let set = Addresses::new(set);
        if inside { !set.leave_out(&self.0) } else { !set.are_within(&self.0) }
    }
}

#[cfg(test)]
mod tests {
    use rules::{Loader, Settings};

    use super::*;

    #[test]
    fn the_ends_leave_the_rules_that_can_match() {
        let text = "alert tcp $HOME_NET any -> any any (sid:1;)\n\
                    alert tcp any any -> $HOME_NET any (sid:2;)\n\
                    alert tcp !$HOME_NET any -> $HOME_NET any (sid:3;)\n\
                    alert tcp $HOME_NET any <> !$HOME_NET any (sid:4;)\n\
                    alert tcp 192.0.2.1 any -> any any (sid:5;)\n\
                    alert tcp [$HOME_NET,10.0.0.0/8,!10.1.0.0/16] any -> any any (sid:6;)\n\
                    alert tcp ![10.0.0.0/8,!10.1.0.0/16] any -> any any (sid:7;)\n";
        let mut loader = Loader::new(Settings::default());
        loader.text("t", text.as_bytes());
        let rules = loader.finish().0;
        let home = Home::of(&rules);
        let end = |ip: &str| Endpoint { ip: ip.parse().unwrap(), port: 1 };
        let (inside, outside) = (end("10.1.2.3"), end("192.0.2.1"));
        let cases = [(outside, outside), (inside, outside), (outside, inside), (inside, inside)];
        assert_eq!(cases.map(|(from, to)| home.case(from, to)), [0, 1, 2, 3]);
        let of: Vec<u8> = rules.iter().map(|rule| home.cases(&rule.header)).collect();
        assert_eq!(of, [0b1010, 0b1100, 0b0100, 0b0110, 0b0101, 0b1010, 0b1111]);
        let none = Home::of(&[]);
        assert_eq!((none.case(inside, outside), none.cases(&rules[0].header)), (0, 0b1111));
    }
}
