//! One rule made ready.

use std::sync::Arc;

use alert::{RuleFacts, Severity};
use proto::Progress;
use rules::{
    BitOp, Buffer, DetectionFilter, FieldTest, FlowTest, IntOp, PacketTest, Sides, Stage, Threshold, Track,
    Transform,
};
use wire::Direction;

use super::transform::Transforms;
use super::verify::Checks;

/// When a rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but addresses and ports: once for each direction of a flow.
    Addresses,
    /// Nothing but addresses of which some are left out: every packet (as in Suricata), but what it does it does to the flow.
    AddressesLeftOut,
    /// Every packet.
    Packet,
    /// The stream of TCP, and the packets of everything else.
    Stream,
    /// Transactions.
    Transaction,
    /// Once for each direction, as soon as it is known what the flow speaks.
    Application,
    /// When the decoder, the stream or a parser finds something wrong.
    Event,
}

/// What has to hold on a buffer.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) buffer: Buffer,
    /// An index into the set's chains of transforms; 0 is none.
    pub(crate) transforms: u16,
    pub(crate) checks: Checks,
}

/// A question to, or a change of, what is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Any of these bits of the flow.
    Flowbit(BitOp, Box<[u64]>),
    /// A bit of an address, or of a pair of them, for so many seconds.
    Hostbit(BitOp, u64, Track, u32),
    /// A number of the flow, and a number or another's name.
    Flowint(IntOp, u64, Result<u32, u64>),
}

impl Memory {
    pub(crate) fn asks(&self) -> bool {
        match self {
            Memory::Flowbit(op, _) | Memory::Hostbit(op, ..) => op.asks(),
            Memory::Flowint(op, ..) => op.asks(),
        }
    }
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Tell,
    Pass,
    Nothing,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) kind: Kind,
    /// An index into the set's headers.
    pub(crate) header: u32,
    pub(crate) flow: FlowTest,
    /// Its hook is at the end of a side.
    pub(crate) whole: bool,
    /// Only these protocols, as bits.
    pub(crate) apps: u64,
    /// What has to be in the payload.
    pub(crate) payload: Option<Checks>,
    /// What has to be in buffers of packets.
    pub(crate) headers: Box<[Section]>,
    /// What has to be in buffers of transactions.
    pub(crate) sections: Box<[Section]>,
    pub(crate) fields: Box<[FieldTest]>,
    pub(crate) packet: Box<[PacketTest]>,
    /// Payload: the packet's own counts.
    pub(crate) packets: bool,
    /// Payload: the stream counts.
    pub(crate) streams: bool,
    /// Payload: it is asked of the packet and of the stream apart, and may speak of both.
    pub(crate) apart: bool,
    pub(crate) memory: Box<[Memory]>,
    /// It asks for the hash of a file.
    pub(crate) hashed: bool,
    /// It asks for anything of a file: the others are matched with the transaction that carries it.
    pub(crate) files: bool,
    pub(crate) effect: Effect,
    pub(crate) threshold: Option<Threshold>,
    pub(crate) filter: Option<DetectionFilter>,
    pub(crate) gid: u32,
    pub(crate) sid: u32,
    pub(crate) rev: u32,
    pub(crate) msg: Arc<str>,
    pub(crate) category: Arc<str>,
    pub(crate) severity: Severity,
    pub(crate) facts: Arc<RuleFacts>,
}

impl Compiled {
    /// Whether it is looked at in that direction.
    pub(crate) fn goes(&self, direction: Direction) -> bool {
        let mut sides = self
            .sections
            .iter()
            .map(|s| s.buffer.info().sides)
            .chain(self.fields.iter().map(|f| f.field.info().sides));
        let FlowTest { to_server, to_client, .. } = self.flow;
        match direction {
            Direction::ToServer => (to_server || !to_client) && sides.all(|s| s != Sides::Response),
            Direction::ToClient => (to_client || !to_server) && sides.all(|s| s != Sides::Request),
        }
    }

    /// Whether it asks for nothing but a protocol above IP: then the outermost packet of a tunnel can match it too.
    pub(crate) fn asks_carrier_only(&self) -> bool {
        let protocols = self.packet.iter().all(|test| matches!(test, PacketTest::IpProto(_)));
        self.kind == Kind::Packet
            && protocols
            && !self.packet.is_empty()
            && self.payload.is_none()
            && self.headers.is_empty()
            && self.memory.is_empty()
            && self.flow == FlowTest::default()
            && self.apps == u64::MAX
    }

    /// How far a side has to be for all that it asks of it to be known.
    pub(crate) fn progress(&self) -> Progress {
        let stages = self.sections.iter().map(|s| s.buffer.info().stage);
        // There is no file before its first byte.
        let named = self.packet.iter().any(|test| matches!(test, PacketTest::FileExtension(_)));
        let files = (named || self.whole).then_some(Stage::Done);
        let last = stages.chain(self.fields.iter().map(|f| f.field.info().stage)).chain(files).max();
        progress(last.unwrap_or(Stage::Head))
    }
}

/// A buffer's stage as parsers tell it.
pub(crate) fn progress(stage: Stage) -> Progress {
    match stage {
        Stage::Head => Progress::Head,
        Stage::Done => Progress::Done,
    }
}

/// Chains of transforms: few are different.
#[derive(Debug, Default)]
pub(crate) struct Chains(Vec<(Vec<Transform>, Transforms)>);

impl Chains {
    /// The number of a chain; 0 is none.
    pub(crate) fn add(&mut self, chain: &[Transform]) -> Result<u16, String> {
        if chain.is_empty() {
            return Ok(0);
        }
        let known = self.0.iter().position(|(known, _)| known == chain);
        let at = match known {
            Some(at) => at,
            None => {
                self.0.push((chain.to_vec(), Transforms::new(chain)?));
                self.0.len() - 1
            }
        };
        u16::try_from(at + 1).map_err(|_| "too many different transforms".to_owned())
    }

    pub(crate) fn get(&self, number: u16) -> Option<&Transforms> {
        usize::from(number).checked_sub(1).and_then(|at| self.0.get(at)).map(|(_, transforms)| transforms)
    }
}
