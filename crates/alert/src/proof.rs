//! How well it is established that an alert's victim took part in the traffic that raised it.
//!
//! Anybody on the wire can send one packet with somebody else's address. A verdict that cuts a host off must not rest on such
//! a packet, nor on a guess at who called whom. [`Proof`] says what the sensor has seen, and policy asks for it
//! (`when.proof`).

/// How certain it is which end of a flow is the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orientation {
    /// Guessed: from port numbers, or from a packet that answers something, or that lies in mid-connection.
    #[default]
    Guessed,
    /// The client has asked: the protocol says so (a DNS query, an echo request, an HTTP request), or the first datagram
    /// goes to a service's port.
    Answered,
    /// The client's SYN was seen. Only TCP has this.
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
    /// TCP: the handshake is complete, and both sides of it were seen. All others, and TCP in mid-connection: both sides
    /// have spoken.
    pub established: bool,
    /// Whether the victim's packets come from where it lives.
    pub binding: Binding,
}
