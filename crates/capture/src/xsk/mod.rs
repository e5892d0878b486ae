//! AF_XDP: packet memory, rings and sockets, as Linux gives them.
//!
//! The kernel's own interface (Documentation/networking/af_xdp.rst) and not a library's, because libxdp binds a
//! second queue to a UMEM only through the first one's rings, and a capture port needs every queue times every
//! worker on one UMEM. The rules of the kernel, in the order in which they bite:
//!
//! * The first socket registers the UMEM and binds with the flags that all others inherit.
//! * Every other socket binds with XDP_SHARED_UMEM alone and names a bound socket.
//! * The first socket of each queue brings the queue's fill and completion ring; those that join it on that
//!   queue must have none.

mod ring;
mod socket;
mod umem;

pub(crate) use ring::{Consumer, Producer};
pub(crate) use socket::{BindFlags, QueueRings, Rings, Socket, Xsk};
pub use umem::Pages;
pub(crate) use umem::Umem;
