//! How well it is established that an alert's victim took part in the traffic that raised it.
//!
//! Anybody on the wire can send one packet with somebody else's address. A verdict that cuts a host off must not rest on such
//! a packet, nor on a guess at who called whom. [`Proof`] says what the sensor has seen, and policy asks for it
//! (`when.proof`).

/// How certain it is which end of a flow is the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orientation {
    /// Guessed from port numbers, or from a packet in mid-connection.
    #[default]
    Guessed,
    /// An answer was seen, so the first sender called; or the protocol itself says who asks (a DNS query, an echo request).
    Answered,
    /// The TCP handshake was seen from its SYN, or the flow was announced by another (FTP data, TFTP, SIP).
    Handshake,
}

/// Whether a packet's MAC address and VLAN are those last seen with its IP address by ARP, neighbor discovery or DHCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Binding {
    /// No binding is known for the address: the host is behind a router, or has been silent.
    #[default]
    Unknown,
    /// They are the same.
    Matches,
    /// They differ: the packet may be forged.
    Differs,
}

/// What is known of the victim's part in an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proof {
    /// How certain the roles in the flow are.
    pub orientation: Orientation,
    /// The handshake is complete (TCP), or the other side has answered (all others).
    pub established: bool,
    /// Whether the victim's packets come from where it lives.
    pub binding: Binding,
}
