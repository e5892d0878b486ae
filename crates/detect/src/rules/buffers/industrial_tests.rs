use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::IpProto;

use super::*;
use crate::rules::buffers::testing::{counted, found, transactions};

fn enip_message(command: u8, status: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![command, 0, body.len() as u8, 0, 0, 0, 0, 0, status];
    out.resize(24, 0);
    out.extend_from_slice(body);
    out
}

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[1, 0, kind, 0, body.len() as u8, 0][..], body].concat()
}

#[test]
fn enip_devices_say_what_they_are() {
    let mut identity = vec![1, 0];
    identity.extend([0; 16]);
    identity.extend([5, 0, 14, 0, 0x36, 0, 20, 11, 0x60, 0, 1, 2, 3, 4, 4]);
    identity.extend(b"1756");
    identity.push(3);
    let service = [&[1, 0, 0, 1, 20, 0, 1, 0, 0x20, 0][..], b"Communications\0\0"].concat();
    let turns = vec![
        (ToServer, enip_message(0x63, 0, b"")),
        (ToClient, enip_message(0x63, 0, &item(0x0c, &identity))),
        (ToServer, enip_message(0x04, 0, b"")),
        (ToClient, enip_message(0x04, 0, &service)),
    ];
    let all = transactions(AppProto::Enip, IpProto::TCP, 44_818, &turns);
    assert_eq!(found(&all, ToClient, Buffer::EnipProductName), ["1756"]);
    assert_eq!(found(&all, ToClient, Buffer::EnipServiceName), ["Communications"]);
    assert_eq!(found(&all, ToServer, Buffer::EnipServiceName), [""; 0]);
    assert_eq!(counted(&all, ToServer, Field::EnipCommand), [0x63, 4]);
    for (field, number) in [
        (Field::EnipVendorId, 5),
        (Field::EnipDeviceType, 14),
        (Field::EnipProductCode, 0x36),
        (Field::EnipRevision, 20 << 8 | 11),
        (Field::EnipIdentityStatus, 0x60),
        (Field::EnipSerial, 0x0403_0201),
        (Field::EnipState, 3),
        (Field::EnipCapabilities, 0x20),
    ] {
        assert_eq!(counted(&all, ToClient, field), [number], "{field:?}");
    }
    assert_eq!(counted(&all, ToClient, Field::EnipProtocolVersion), [1, 1]);
    assert_eq!(counted(&all, ToClient, Field::EnipStatus), [0, 0]);
}

#[test]
fn cip_says_what_is_done_to_what() {
    let request = [&[0, 0, 0, 0, 0, 0][..], &item(0xb2, &[0x0e, 3, 0x20, 4, 0x24, 5, 0x30, 6])].concat();
    let response = [&[0, 0, 0, 0, 0, 0][..], &item(0xb2, &[0x8e, 0, 8, 1, 7, 1])].concat();
    let turns =
        vec![(ToServer, enip_message(0x6f, 0, &request)), (ToClient, enip_message(0x6f, 1, &response))];
    let all = transactions(AppProto::Enip, IpProto::TCP, 44_818, &turns);
    for (direction, field, numbers) in [
        (ToServer, Field::EnipCipService, &[14][..]),
        (ToClient, Field::EnipCipService, &[14]),
        (ToServer, Field::EnipCipClass, &[4]),
        (ToServer, Field::EnipCipInstance, &[5]),
        (ToServer, Field::EnipCipAttribute, &[6]),
        (ToClient, Field::EnipCipStatus, &[8]),
        (ToClient, Field::EnipCipExtendedStatus, &[0x107]),
        (ToClient, Field::EnipStatus, &[1]),
        (ToServer, Field::EnipCipStatus, &[]),
    ] {
        assert_eq!(counted(&all, direction, field), numbers, "{field:?}");
    }
}

fn modbus_message(id: u8, body: &[u8]) -> Vec<u8> {
    [&[0, id, 0, 0, 0, body.len() as u8][..], body].concat()
}

#[test]
fn modbus_tells_what_is_read_and_written() {
    let turns = vec![
        (ToServer, modbus_message(1, &[10, 1, 0, 4, 0, 3])),
        (ToServer, modbus_message(2, &[10, 16, 0, 99, 0, 2, 4, 1, 0, 0, 7])),
        (ToServer, modbus_message(3, &[10, 8, 0, 4, 0, 0])),
        (ToServer, modbus_message(4, &[10, 0x81, 1])),
        (ToServer, modbus_message(5, &[10, 15, 0, 0, 0, 3, 1, 0b101])),
    ];
    let all = transactions(AppProto::Modbus, IpProto::TCP, 502, &turns);
    for (field, numbers) in [
        (Field::ModbusFunction, &[1, 16, 8, 15][..]),
        (Field::ModbusUnit, &[10; 4]),
        (Field::ModbusSubfunction, &[4]),
        (Field::ModbusAddress, &[5, 6, 7, 100, 101, 1, 2, 3]),
        (Field::ModbusValue, &[256, 7, 1, 0, 1]),
        (Field::ModbusAccess, &[0b101, 0b10_0010, 0b110]),
    ] {
        assert_eq!(counted(&all, ToServer, field), numbers, "{field:?}");
    }
    assert_eq!(counted(&all, ToClient, Field::ModbusFunction), [0; 0]);
}

fn summed(bytes: &[u8]) -> Vec<u8> {
    let mut crc = 0_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xa6bc } else { crc >> 1 };
        }
    }
    [bytes, &(!crc).to_le_bytes()].concat()
}

#[test]
fn dnp3_tells_functions_objects_and_its_bytes() {
    let frame = |control: u8, body: &[u8]| {
        let head = summed(&[5, 0x64, 6 + body.len() as u8, control, 1, 0, 2, 0]);
        [head, summed(&[&[0xc0][..], body].concat())].concat()
    };
    let turns = vec![
        (ToServer, frame(0xc4, &[0xc0, 1, 60, 2, 6, 60, 3, 6])),
        (ToClient, frame(0x44, &[0xc0, 129, 0x80, 0x01, 1, 2, 0, 0, 0, 1])),
    ];
    let all = transactions(AppProto::Dnp3, IpProto::TCP, 20_000, &turns);
    assert_eq!(found(&all, ToServer, Buffer::Dnp3Data), [r"\xc0\x01<\x02\x06<\x03\x06"]);
    assert_eq!(counted(&all, ToServer, Field::Dnp3Function), [1]);
    assert_eq!(counted(&all, ToServer, Field::Dnp3Object), [60 << 8 | 2, 60 << 8 | 3]);
    assert_eq!(counted(&all, ToClient, Field::Dnp3Function), [129]);
    assert_eq!(counted(&all, ToClient, Field::Dnp3Indicators), [0x8001]);
    assert_eq!(counted(&all, ToClient, Field::Dnp3Object), [258]);
}
