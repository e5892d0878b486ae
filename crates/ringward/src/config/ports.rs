//! What can be set of ports and workers, with its default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One network port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Interface name, in the network namespace in which the sensor runs. Required.
    pub name: String,
    /// "capture": a TAP or SPAN port, read and never passed on. "inline": one end of a wire whose other end is
    /// `peer`. "guard": isolated hosts are dropped, the rest goes on to the kernel. Required.
    pub role: Role,
    /// Inline ports: the interface at the other end of the wire. It has no `[[port]]` of its own.
    #[serde(default)]
    pub peer: String,
    /// Inline ports: what happens to frames that no worker takes, because the sensor is dead or stopped: "open":
    /// the kernel sends them on; "closed": they are dropped. Isolation is in force in both.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How the kernel runs the XDP program: "native" in the driver, "generic" in the slow path, "auto": native,
    /// else generic.
    #[serde(default)]
    pub xdp: Xdp,
    /// Capture and inline ports: how frames reach packet memory. "zero-copy": written by the NIC; "copy": by the
    /// kernel; "auto": zero-copy, else copy.
    #[serde(default)]
    pub bind: Bind,
}

/// How frames reach packet memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// Zero-copy, else copy.
    #[default]
    Auto,
    /// Written by the NIC.
    ZeroCopy,
    /// Copied by the kernel.
    Copy,
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and never passed on.
    Capture,
    /// One end of a wire.
    Inline,
    /// Isolated hosts are dropped.
    Guard,
}

/// What happens to frames that no worker takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The kernel sends them on.
    #[default]
    Open,
    /// They are dropped.
    Closed,
}

/// How the kernel runs the XDP program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// In the driver.
    #[default]
    Native,
    /// In the kernel's slow path.
    Generic,
    /// Native, else generic.
    Auto,
}

/// Worker threads.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Number of workers.
    #[schemars(range(min = 1, max = 256))]
    pub count: u32,
    /// CPUs to pin the workers to, in turn. Empty: those that the process may use (its affinity mask).
    pub cpus: Vec<usize>,
    /// Frames that a worker's ring holds per queue, a power of two.
    pub rx_ring: u32,
    /// What a worker does when no frame is there: "adaptive": looks again for a while, then sleeps; "spin":
    /// looks again for ever, on a core of its own; "busy-poll": has the kernel poll the NIC from that core, without
    /// interrupts (docs/performance.md says what the NIC needs for it).
    pub wakeup: Wakeup,
    /// Which worker gets a frame. "flow": the one that the symmetric hash of the flow picks, whatever queue it came
    /// by; each worker has a ring on every queue. "rss": the one that serves the frame's queue; only if the NIC sends
    /// both directions of a flow to one queue (`ringward doctor` tells).
    pub steer: Steer,
    /// Whether a packet in a tunnel (IP-in-IP, GRE, PPTP, ERSPAN, VXLAN, GENEVE, GTP-U, Teredo) belongs to the flow
    /// inside of it. Replay always opens tunnels.
    pub tunnels: bool,
}

/// What a worker does when no frame is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wakeup {
    /// Looks again for a while, then sleeps.
    #[default]
    Adaptive,
    /// Looks again for ever.
    Spin,
    /// Has the kernel poll the NIC.
    BusyPoll,
}

/// Which worker gets a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Steer {
    /// The one that the flow's hash picks.
    #[default]
    Flow,
    /// The one that serves the queue.
    Rss,
}

impl Default for Workers {
    fn default() -> Self {
        Workers {
            count: 1,
            cpus: Vec::new(),
            rx_ring: 2048,
            wakeup: Wakeup::Adaptive,
            steer: Steer::Flow,
            tunnels: false,
        }
    }
}

/// Flows whose packets the kernel counts in place of the workers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bypass {
    /// Bypass flows from which nothing more can be learned: after the TLS handshake, or when no protocol is known.
    /// Their packets are not looked at any more; flow records stay exact to the packet.
    pub inspected: bool,
    /// Bypass the heaviest flows when a worker cannot keep up, before packets of all flows are lost. Their packets
    /// count as dropped (`capture.drop_reason.shed`); flow records stay exact to the packet.
    pub shed: bool,
    /// Flows that can be bypassed at once.
    #[schemars(range(min = 1))]
    pub max_flows: u32,
}

impl Default for Bypass {
    fn default() -> Self {
        Bypass { inspected: false, shed: true, max_flows: capture::BYPASS_CAPACITY }
    }
}
