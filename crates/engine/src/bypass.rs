//! "Enough of this flow": handing flows over to the kernel, and getting their counts back.
//!
//! A worker decides and a keeper (`threads/keeper.rs`) carries out, because writing a map is a system call. The
//! worker reserves a slot first; there is room in the keeper's queue for two orders a slot, so that neither the
//! beginning nor the end of a bypass can be lost.

use std::sync::Arc;

use capture::{BypassCounts, BypassReason, BypassTable};
use crossbeam_channel::{Receiver, Sender, bounded};
use flow::{FlowState, FlowTuple};
use output::{FlowEvent, Stamp};
use wire::{FlowKey, IpProto, Nanos};

/// What a worker tells the keeper.
#[derive(Debug)]
pub(crate) enum Order {
    /// Begin to bypass a flow.
    Begin { key: FlowKey, slot: u32, reason: BypassReason },
    /// The flow is over: its record, to be completed and written.
    End { key: FlowKey, slot: u32, stamp: Stamp, event: Box<FlowEvent> },
}

/// A worker's side.
#[derive(Clone, Debug)]
pub(crate) struct Bypasser {
    pub(crate) table: Arc<BypassTable>,
    orders: Sender<Order>,
    /// Flows from which nothing more can be learned are bypassed.
    pub(crate) inspected: bool,
    /// The heaviest flows are bypassed under overload.
    pub(crate) shed: bool,
}

impl Bypasser {
    /// A side for workers, to be cloned, and the queue for the keeper.
    pub(crate) fn new(table: Arc<BypassTable>, inspected: bool, shed: bool) -> (Self, Receiver<Order>) {
        let (orders, queue) = bounded(2 * table.capacity() as usize + 1);
        (Bypasser { table, orders, inspected, shed }, queue)
    }

    /// Asks for the bypass of a flow. Its slot; none if all are taken.
    pub(crate) fn begin(&self, tuple: &FlowTuple, reason: BypassReason) -> Option<u32> {
        let slot = self.table.reserve()?;
        let order = Order::Begin { key: key(tuple).0, slot, reason };
        if self.orders.try_send(order).is_err() {
            // The keeper is gone: the sensor is stopping.
            self.table.release(slot);
            return None;
        }
        Some(slot)
    }

    /// Hands over the record of a flow that was bypassed. The record comes back if the keeper is gone.
    pub(crate) fn end(
        &self,
        slot: u32,
        stamp: Stamp,
        event: Box<FlowEvent>,
    ) -> Result<(), (Stamp, Box<FlowEvent>)> {
        let order = Order::End { key: key(&event.record.tuple).0, slot, stamp, event };
        self.orders.try_send(order).map_err(|err| match err.into_inner() {
            Order::End { stamp, event, .. } => (stamp, event),
            Order::Begin { .. } => unreachable!("an end was sent"),
        })
    }
}

/// Whether the programs can tell this flow's packets.
pub(crate) fn can_be_bypassed(tuple: &FlowTuple) -> bool {
    // The programs' key has room for two VLAN tags.
    matches!(tuple.proto, IpProto::TCP | IpProto::UDP) && tuple.vlans.count() <= 2
}

fn key(tuple: &FlowTuple) -> (FlowKey, bool) {
    FlowKey::new(tuple.client, tuple.server, tuple.proto, tuple.vlans)
}

/// Adds what the programs counted to a flow's record. `last` is the wall-clock time of the last packet there.
pub(crate) fn complete(event: &mut FlowEvent, counts: &BypassCounts, last: Nanos) {
    let record = &mut event.record;
    // The slot counts by the key's order of endpoints, the record by who called whom.
    let client_is_high = key(&record.tuple).1;
    for direction in 0..2 {
        let from = if client_is_high { 1 - direction } else { direction };
        record.packets[direction] += counts.packets[from];
        record.bytes[direction] += counts.bytes[from];
    }
    if counts.last_ns > 0 {
        record.end = record.end.max(last);
    }
    if record.tcp.is_none() && record.packets.iter().all(|&n| n > 0) {
        record.state = FlowState::Established;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{EndReason, FlowRecord};
    use wire::{Endpoint, Vlans};

    fn event(client: u8, server: u8) -> FlowEvent {
        let end = |host, port| Endpoint { ip: [10, 0, 0, host].into(), port };
        let tuple = FlowTuple {
            id: 1,
            client: end(client, 5000),
            server: end(server, 443),
            proto: IpProto::UDP,
            vlans: Vlans::default(),
            start: Nanos(1),
        };
        let record = FlowRecord {
            tuple,
            end: Nanos(5),
            packets: [3, 0],
            bytes: [300, 0],
            state: FlowState::New,
            reason: EndReason::Timeout,
            tcp: None,
            icmp: None,
        };
        FlowEvent {
            record,
            app: None,
            original: None,
            expected: None,
            alerted: false,
            transactions: 0,
            icmp_reply: None,
            tunnel: None,
            macs: None,
            bits: Vec::new(),
        }
    }

    #[test]
    fn counts_go_to_their_direction() {
        let counts = BypassCounts { packets: [10, 20], bytes: [1000, 2000], last_ns: 9 };
        let mut low_client = event(1, 2);
        complete(&mut low_client, &counts, Nanos(9));
        assert_eq!(low_client.record.packets, [13, 20]);
        assert_eq!(low_client.record.bytes, [1300, 2000]);
        assert_eq!(low_client.record.end, Nanos(9));
        assert_eq!(low_client.record.state, FlowState::Established);
        let mut high_client = event(2, 1);
        complete(&mut high_client, &counts, Nanos(9));
        assert_eq!(high_client.record.packets, [23, 10]);
    }

    #[test]
    fn a_flow_of_which_nothing_was_bypassed_keeps_its_record() {
        let mut event = event(1, 2);
        complete(&mut event, &BypassCounts::default(), Nanos(77));
        assert_eq!((event.record.packets, event.record.end), ([3, 0], Nanos(5)));
        assert_eq!(event.record.state, FlowState::New);
    }
}
