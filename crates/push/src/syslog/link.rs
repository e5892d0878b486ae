//! The way to a receiver.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Address;

/// A receiver of syslog has nothing to say; what it says is read and forgotten.
const MAX_REPLY: usize = 1024;

/// An open way to a receiver.
#[derive(Debug)]
pub(super) enum Link {
    Udp(UdpSocket),
    Unix(UnixDatagram),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    /// Connects.
    pub(super) fn open(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        timeout: Duration,
    ) -> io::Result<Self> {
        match address {
            Address::Udp(host, port) => {
                let to = first((host.as_str(), *port).to_socket_addrs()?)?;
                let any = if to.is_ipv4() {
                    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
                } else {
                    SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                Ok(Link::Udp(socket))
            }
            Address::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(timeout))?;
                socket.connect(path)?;
                Ok(Link::Unix(socket))
            }
            Address::Tcp(host, port) => Ok(Link::Tcp(connect(host, *port, timeout)?)),
            Address::Tls(host, port) => {
                let config = tls.ok_or(io::ErrorKind::InvalidInput)?.clone();
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, connect(host, *port, timeout)?);
                stream.conn.complete_io(&mut stream.sock)?;
                Ok(Link::Tls(Box::new(stream)))
            }
        }
    }

    /// Sends a message: a datagram, or counted in octets (RFC 6587 section 3.4.1, RFC 5425 section 4.3).
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Link::Udp(socket) => socket.send(message).map(drop),
            Link::Unix(socket) => socket.send(message).map(drop),
            Link::Tcp(stream) => {
                still_open(stream)?;
                stream.write_all(&frame(message))
            }
            Link::Tls(stream) => {
                still_open_tls(stream)?;
                stream.write_all(&frame(message))?;
                stream.flush()
            }
        }
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = format!("{} ", message.len()).into_bytes();
    out.extend_from_slice(message);
    out
}

fn first(mut found: impl Iterator<Item = SocketAddr>) -> io::Result<SocketAddr> {
    found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_write_timeout(Some(timeout))?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(err) => failure = err,
        }
    }
    Err(failure)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the receiver has closed the connection")
}

/// A receiver that has gone says so; whoever only writes finds out one message too late.
fn still_open(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let open = loop {
        match stream.read(&mut [0; MAX_REPLY]) {
            Ok(0) => break Err(closed()),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => break Ok(()),
            Err(err) => break Err(err),
        }
    };
    stream.set_nonblocking(false)?;
    open
}

fn still_open_tls(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> io::Result<()> {
    stream.sock.set_nonblocking(true)?;
    let open = loop {
        match stream.conn.read_tls(&mut stream.sock) {
            Ok(0) => break Err(closed()),
            Ok(_) => {
                let state = stream.conn.process_new_packets().map_err(io::Error::other)?;
                if state.peer_has_closed() {
                    break Err(closed());
                }
                let mut said = vec![0; state.plaintext_bytes_to_read()];
                stream.conn.reader().read_exact(&mut said)?;
            }
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => break Ok(()),
            Err(err) => break Err(err),
        }
    };
    stream.sock.set_nonblocking(false)?;
    open
}
