//! Protocols of machines: EtherNet/IP, Modbus, DNP3.

use proto::{Cip, Dnp3, Enip, EnipMessage, Modbus, ModbusMessage};
use rules::{Buffer, Field};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

/// Coils or registers that one request reads or writes at most (Modbus application protocol 6.1).
const MAX_QUANTITY: u16 = 2000;

fn message(enip: &Enip, direction: Direction) -> Option<&EnipMessage> {
    match direction {
        Direction::ToServer => enip.request.as_ref(),
        Direction::ToClient => enip.response.as_ref(),
    }
}

/// Names in an EtherNet/IP message.
pub(super) fn enip<'a>(enip: &'a Enip, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    let Some(message) = message(enip, direction) else { return };
    match buffer {
        Buffer::EnipProductName => text(message.identity.as_ref().map(|i| &i.name), out),
        Buffer::EnipServiceName => text(message.service.as_ref().map(|s| &s.name), out),
        _ => {}
    }
}

/// Numbers of an EtherNet/IP message.
pub(super) fn enip_numbers(enip: &Enip, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let Some(message) = message(enip, direction) else { return };
    let (identity, service) = (message.identity.as_ref(), message.service.as_ref());
    let number: Option<u64> = match field {
        Field::EnipCommand => Some(message.command.into()),
        Field::EnipStatus => Some(message.status.into()),
        Field::EnipProtocolVersion => {
            let register = message.register.map(|(version, _)| version);
            let told = identity.map(|i| i.protocol_version).or(service.map(|s| s.protocol_version));
            register.or(told).map(u64::from)
        }
        Field::EnipCapabilities => service.map(|s| s.capabilities.into()),
        Field::EnipRevision => identity.map(|i| u64::from(i.revision.0) << 8 | u64::from(i.revision.1)),
        Field::EnipVendorId => identity.map(|i| i.vendor.into()),
        Field::EnipProductCode => identity.map(|i| i.product_code.into()),
        Field::EnipSerial => identity.map(|i| i.serial.into()),
        Field::EnipDeviceType => identity.map(|i| i.device_type.into()),
        Field::EnipState => identity.map(|i| i.state.into()),
        Field::EnipIdentityStatus => identity.map(|i| i.status.into()),
        _ => return message.cip.iter().for_each(|cip| cip_numbers(cip, field, each)),
    };
    number.into_iter().for_each(each);
}

fn cip_numbers(cip: &Cip, field: Field, each: &mut dyn FnMut(u64)) {
    let name = match field {
        Field::EnipCipService => return each(cip.service.into()),
        Field::EnipCipStatus => return cip.status.into_iter().for_each(|s| each(s.into())),
        Field::EnipCipExtendedStatus => return cip.extended_status.into_iter().for_each(|s| each(s.into())),
        Field::EnipCipClass => "class_id",
        Field::EnipCipInstance => "instance_id",
        Field::EnipCipAttribute => "attribute_id",
        _ => return,
    };
    for (_, number) in cip.path.iter().filter(|(kind, _)| *kind == name) {
        each((*number).into());
    }
}

/// The bit of a Modbus function that says that it was refused.
const REFUSED: u8 = 0x80;

/// What a Modbus function touches.
mod access {
    pub const READ: u64 = 1;
    pub const WRITE: u64 = 1 << 1;
    pub const COILS: u64 = 1 << 2;
    pub const DISCRETES: u64 = 1 << 3;
    pub const INPUT: u64 = 1 << 4;
    pub const HOLDING: u64 = 1 << 5;
}

/// Functions of Modbus.
mod function {
    pub const READ_COILS: u8 = 1;
    pub const READ_DISCRETES: u8 = 2;
    pub const READ_HOLDING: u8 = 3;
    pub const READ_INPUT: u8 = 4;
    pub const WRITE_COIL: u8 = 5;
    pub const WRITE_REGISTER: u8 = 6;
    pub const DIAGNOSTICS: u8 = 8;
    pub const WRITE_COILS: u8 = 15;
    pub const WRITE_REGISTERS: u8 = 16;
    pub const MASK_REGISTER: u8 = 22;
    pub const READ_WRITE_REGISTERS: u8 = 23;
    pub const ENCAPSULATED: u8 = 43;
}

/// Numbers of a Modbus request. Addresses begin at 1, as in rules, and each of those that are read or written is told.
pub(super) fn modbus(modbus: &Modbus, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    // A request that says it is a refusal is none.
    let request = modbus.request.as_ref().filter(|request| request.function & REFUSED == 0);
    let Some(request) = request.filter(|_| direction == Direction::ToServer) else { return };
    match field {
        Field::ModbusFunction => each(request.function.into()),
        Field::ModbusCategory => each(request.category().0.into()),
        Field::ModbusUnit => each(request.unit.into()),
        Field::ModbusSubfunction => match (request.function, request.data.as_slice()) {
            (function::DIAGNOSTICS, [high, low, ..]) => each(u64::from(*high) << 8 | u64::from(*low)),
            (function::ENCAPSULATED, [kind, ..]) => each((*kind).into()),
            _ => {}
        },
        Field::ModbusAccess => {
            let access = touched(request.function);
            if access != 0 {
                each(access);
            }
        }
        Field::ModbusAddress => {
            if let Some((first, quantity)) = request.range {
                let quantity = if is_single(request.function) { 1 } else { quantity.clamp(1, MAX_QUANTITY) };
                for at in 0..quantity {
                    each(u64::from(first) + u64::from(at) + 1);
                }
            }
        }
        Field::ModbusValue => values(request, each),
        _ => {}
    }
}

fn is_single(function: u8) -> bool {
    matches!(function, function::WRITE_COIL | function::WRITE_REGISTER | function::MASK_REGISTER)
}

fn touched(function: u8) -> u64 {
    match function {
        function::READ_COILS => access::READ | access::COILS,
        function::READ_DISCRETES => access::READ | access::DISCRETES,
        function::READ_HOLDING => access::READ | access::HOLDING,
        function::READ_INPUT => access::READ | access::INPUT,
        function::WRITE_COIL | function::WRITE_COILS => access::WRITE | access::COILS,
        function::WRITE_REGISTER | function::WRITE_REGISTERS | function::MASK_REGISTER => {
            access::WRITE | access::HOLDING
        }
        function::READ_WRITE_REGISTERS => access::READ | access::WRITE | access::HOLDING,
        _ => 0,
    }
}

/// What is written: of coils 0 and 1.
fn values(request: &ModbusMessage, each: &mut dyn FnMut(u64)) {
    let Some((_, number)) = request.range else { return };
    match request.function {
        function::WRITE_COIL => each((number != 0).into()),
        function::WRITE_REGISTER => each(number.into()),
        function::WRITE_COILS => {
            let bits = request.data.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
            bits.take(number.into()).for_each(|bit| each(bit.into()));
        }
        function::WRITE_REGISTERS => {
            for pair in request.data.chunks_exact(2).take(number.into()) {
                each(pair.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
            }
        }
        _ => {}
    }
}

/// A DNP3 message without its links' heads.
pub(super) fn dnp3<'a>(dnp3: &'a Dnp3, buffer: Buffer, out: &mut Instances<'a>) {
    if buffer == Buffer::Dnp3Data && !dnp3.data.is_empty() {
        out.borrow(&dnp3.data);
    }
}

/// Numbers of a DNP3 message.
pub(super) fn dnp3_numbers(dnp3: &Dnp3, field: Field, each: &mut dyn FnMut(u64)) {
    match field {
        Field::Dnp3Function => each(dnp3.function.into()),
        Field::Dnp3Indicators => dnp3.indications.into_iter().for_each(|bits| each(bits.into())),
        Field::Dnp3Object => {
            dnp3.objects.iter().for_each(|o| each(u64::from(o.group) << 8 | u64::from(o.variation)));
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "industrial_tests.rs"]
mod tests;
