//! Keywords that read a packet's payload: `rpc` and `ftpbounce`.

use core::net::{IpAddr, Ipv4Addr};

use wire::{Packet, Transport};

/// A record mark stands before each message on TCP (RFC 5531 section 11).
const RECORD_MARK: usize = 4;
/// A message that asks, in RPC version 2.
const CALL: u32 = 0;
const RPC_VERSION: u32 = 2;

/// Whether the payload begins with an ONC RPC call (RFC 5531) of this program, version and procedure.
pub(super) fn is_rpc_call(
    packet: &Packet<'_>,
    program: u32,
    version: Option<u32>,
    procedure: Option<u32>,
) -> bool {
    let message = match packet.transport {
        Transport::Tcp(_) => packet.payload.get(RECORD_MARK..),
        Transport::Udp { .. } => Some(packet.payload),
        _ => None,
    };
    let Some(message) = message.and_then(<[u8]>::first_chunk::<24>) else { return false };
    let word = |at: usize| {
        message.get(at * 4..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
    };
    word(1) == CALL
        && word(2) == RPC_VERSION
        && word(3) == program
        && version.is_none_or(|version| word(4) == version)
        && procedure.is_none_or(|procedure| word(5) == procedure)
}

/// Whether one of the commands in `payload` is FTP's PORT with an address that is not the client's own (RFC 959
/// section 4.1.2): the server would connect to somebody else.
pub(super) fn is_ftp_bounce(payload: &[u8], client: IpAddr) -> bool {
    payload.split(|&byte| byte == b'\n').filter_map(port_command).any(|address| IpAddr::V4(address) != client)
}

fn port_command(line: &[u8]) -> Option<Ipv4Addr> {
    let (command, rest) = line.trim_ascii_start().split_at_checked(5)?;
    if !command.eq_ignore_ascii_case(b"PORT ") {
        return None;
    }
    let mut numbers = rest.split(|&byte| byte == b',').map(|digits| {
        let digits = digits.trim_ascii();
        core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u8>().ok())
    });
    let mut octets = [0; 4];
    for octet in &mut octets {
        *octet = numbers.next()??;
    }
    Some(octets.into())
}
