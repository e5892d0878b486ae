//! What tests of buffers share: conversations to transactions, and what rules find in them.

use flow::FlowTuple;
use proto::{AppLayer, AppProto, Chunk, Keep, Sink, Transaction};
use rules::{Buffer, Field};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

use crate::rules::view::Instances;

/// Bytes of each payload that are kept.
const KEPT: usize = 4096;
/// When everything is said: 2027-01-15.
const TIME: Nanos = Nanos(1_800_000_000_000_000_000);

/// What is said, by turns.
pub(crate) type Turns = Vec<(Direction, Vec<u8>)>;

#[derive(Default)]
struct Log(Vec<Transaction>);

impl Sink for Log {
    fn keep(&self) -> Keep {
        Keep { payloads: KEPT, ..Keep::default() }
    }

    fn inspect(&mut self, _: &Transaction) {}

    fn pass(&mut self, transaction: &Transaction) {
        self.0.push(transaction.clone());
    }

    fn log(&mut self, transaction: Transaction) {
        self.0.push(transaction);
    }
}

/// What a conversation comes to.
pub(crate) fn transactions(app: AppProto, proto: IpProto, port: u16, turns: &Turns) -> Vec<Transaction> {
    let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
    let tuple = FlowTuple {
        id: 1,
        client: end(1, 40_000),
        server: end(2, port),
        proto,
        vlans: Vlans::default(),
        start: TIME,
    };
    let (mut layer, mut log) = (AppLayer::new(&tuple), Log::default());
    if app == AppProto::WebSocket {
        // Nothing but an upgrade tells that it is one.
        layer.announced(&tuple, app, None);
    }
    for &(direction, ref bytes) in turns {
        let chunk = Chunk { direction, bytes, time: TIME };
        if proto == IpProto::UDP {
            layer.datagram(&tuple, chunk, &mut log);
        } else {
            layer.data(&tuple, chunk, &mut log);
        }
    }
    assert_eq!(layer.protocol(), Some(app));
    layer.close(&mut log);
    log.0
}

/// All instances of a buffer, of all transactions, as text.
pub(crate) fn found(all: &[Transaction], direction: Direction, buffer: Buffer) -> Vec<String> {
    let mut found = Vec::new();
    for tx in all {
        let mut instances = Instances::new(Vec::new());
        super::instances(tx, direction, buffer, &mut instances);
        found.extend((0..instances.len()).map(|n| instances.get(n).escape_ascii().to_string()));
    }
    found
}

/// All numbers of a field, of all transactions.
pub(crate) fn counted(all: &[Transaction], direction: Direction, field: Field) -> Vec<u64> {
    let mut found = Vec::new();
    for tx in all {
        super::numbers(tx, direction, field, &mut |number| found.push(number));
    }
    found
}

/// A BER element.
pub(crate) fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).unwrap();
    let head = if len < 0x80 { vec![tag, len] } else { vec![tag, 0x81, len] };
    [&head, body].concat()
}
