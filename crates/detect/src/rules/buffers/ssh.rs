//! What both sides of an SSH connection say to be.

use proto::Ssh;
use proto::ssh::SshSide;
use rules::{Buffer, Field};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

fn side(ssh: &Ssh, direction: Direction) -> Option<&SshSide> {
    match direction {
        Direction::ToServer => ssh.client.as_ref(),
        Direction::ToClient => ssh.server.as_ref(),
    }
}

/// Buffers of a connection.
pub(super) fn instances<'a>(ssh: &'a Ssh, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    let Some(said) = side(ssh, direction) else { return };
    let hassh = said.hassh.as_ref();
    let client = direction == Direction::ToServer;
    match buffer {
        Buffer::SshProto => text(Some(&said.proto_version), out),
        Buffer::SshSoftware => text(Some(&said.software_version), out),
        Buffer::SshHassh if client => text(hassh.map(|f| &f.hash), out),
        Buffer::SshHasshString if client => text(hassh.map(|f| &f.string), out),
        Buffer::SshHasshServer if !client => text(hassh.map(|f| &f.hash), out),
        Buffer::SshHasshServerString if !client => text(hassh.map(|f| &f.string), out),
        _ => {}
    }
}

/// The version of the protocol.
pub(super) fn numbers(ssh: &Ssh, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let Some(said) = side(ssh, direction).filter(|_| field == Field::SshProtoVersion) else { return };
    let (major, minor) = said.proto_version.split_once('.').unwrap_or((&said.proto_version, "0"));
    if let (Ok(major), Ok(minor)) = (major.parse::<u16>(), minor.parse::<u16>()) {
        each(u64::from(major) << 16 | u64::from(minor));
    }
}

#[cfg(test)]
mod tests {
    use Direction::{ToClient, ToServer};
    use proto::AppProto;
    use wire::IpProto;

    use super::*;
    use crate::rules::buffers::testing::{counted, found, transactions};

    fn kexinit() -> Vec<u8> {
        let mut payload = vec![20];
        payload.extend([0; 16]);
        for list in ["kex", "key", "c2s", "s2c", "mac-c", "mac-s", "none", "zlib", "", ""] {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        [&(payload.len() as u32 + 1).to_be_bytes()[..], &[0], &payload].concat()
    }

    #[test]
    fn both_sides_say_what_they_are() {
        let turns = vec![
            (ToServer, [b"SSH-2.0-Go x\r\n".to_vec(), kexinit()].concat()),
            (ToClient, [b"SSH-1.99-OpenSSH_9\r\n".to_vec(), kexinit()].concat()),
        ];
        let all = transactions(AppProto::Ssh, IpProto::TCP, 22, &turns);
        for (direction, buffer, text) in [
            (ToServer, Buffer::SshProto, "2.0"),
            (ToClient, Buffer::SshProto, "1.99"),
            (ToServer, Buffer::SshSoftware, "Go"),
            (ToClient, Buffer::SshSoftware, "OpenSSH_9"),
            (ToServer, Buffer::SshHasshString, "kex;c2s;mac-c;none"),
            (ToClient, Buffer::SshHasshServerString, "kex;s2c;mac-s;zlib"),
        ] {
            assert_eq!(found(&all, direction, buffer), [text], "{buffer:?}");
        }
        assert_eq!(found(&all, ToClient, Buffer::SshHasshString), [""; 0]);
        assert_eq!(found(&all, ToServer, Buffer::SshHassh).concat().len(), 32);
        assert_eq!(found(&all, ToClient, Buffer::SshHasshServer).concat().len(), 32);
        assert_eq!(counted(&all, ToServer, Field::SshProtoVersion), [0x2_0000]);
        assert_eq!(counted(&all, ToClient, Field::SshProtoVersion), [0x1_0063]);
    }
}
