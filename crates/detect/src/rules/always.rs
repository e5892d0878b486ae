//! What of a rule on packets is cheap to ask before anything else.

use rules::PacketTest;

/// A rule that no literal finds: what is cheap to ask is asked first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Always {
    pub(crate) rule: u32,
    /// TCP flags that are looked at and what they have to be; none looked at: any.
    flags: (u8, u8),
    /// Least and most bytes of payload.
    pub(crate) size: (u32, u32),
}

impl Always {
    pub(crate) fn new(rule: u32, tests: &[PacketTest]) -> Self {
        let mut always = Always { rule, flags: (0, 0), size: (0, u32::MAX) };
        for test in tests {
            match test {
                PacketTest::TcpFlags(rules::FlagTest::Exactly { bits, mask }) => {
                    always.flags = (*mask, *bits & *mask)
                }
                PacketTest::PayloadSize(test) => always.size = sizes(test),
                _ => {}
            }
        }
        always
    }

    /// The only size of payload that can pass, if there is one.
    pub(crate) fn exact_size(&self) -> Option<u32> {
        (self.size.0 == self.size.1).then_some(self.size.0)
    }

    /// Whether the packet is worth a closer look.
    pub(crate) fn may(&self, flags: u8, size: u32) -> bool {
        flags & self.flags.0 == self.flags.1 && self.size.0 <= size && size <= self.size.1
    }
}

/// The sizes that can pass; too many where it is not simple.
fn sizes(test: &rules::NumberTest) -> (u32, u32) {
    use rules::NumberTest as N;
    let clamp = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    match *test {
        N::Equal(value, false) => (clamp(value), clamp(value)),
        N::Less(value) | N::LessOrEqual(value) => (0, clamp(value)),
        N::Greater(value) | N::GreaterOrEqual(value) => (clamp(value), u32::MAX),
        N::Between(low, high, false) => (clamp(low), clamp(high)),
        _ => (0, u32::MAX),
    }
}
