//! What rules ask of a transaction, whatever kind of view there is of it.

use rules::{Buffer, Field, FieldTest, PacketTest, Which};
use wire::Direction;

use super::view::{FileView, Instances, View};
use super::{buffers, file, http};

/// The instances of a buffer.
pub(crate) fn instances<'a>(view: &View<'a>, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    match view {
        View::Http(http) => http::instances(http, direction, buffer, out),
        View::File(file) => {
            file::instances(file, direction, buffer, out);
            if let Some(carrier) = file.carrier {
                buffers::instances(carrier, direction, buffer, out);
            }
        }
        View::Other(transaction) => buffers::instances(transaction, direction, buffer, out),
    }
}

fn numbers(view: &View<'_>, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    match view {
        View::Http(http) => http::numbers(http, direction, field, each),
        View::File(file) => {
            file::numbers(file, direction, field, each);
            if let Some(carrier) = file.carrier {
                buffers::numbers(carrier, direction, field, each);
            }
        }
        View::Other(transaction) => buffers::numbers(transaction, direction, field, each),
    }
}

/// Whether the numbers of a transaction are as a rule wants them.
pub(crate) fn field_holds(test: &FieldTest, view: &View<'_>, direction: Direction) -> bool {
    let (mut count, mut held) = (0_u64, 0_u64);
    // How many there are has to be known for places counted from the end.
    let mut total = 0_i64;
    if matches!(test.which, Which::At(at) if at < 0) {
        numbers(view, direction, test.field, &mut |_| total += 1);
    }
    let mut at_place = false;
    numbers(view, direction, test.field, &mut |number| {
        let holds = test.test.holds(number);
        if let Which::At(at) = test.which {
            let place = if at < 0 { total + i64::from(at) } else { at.into() };
            at_place |= holds && i64::try_from(count) == Ok(place);
        }
        count += 1;
        held += u64::from(holds);
    });
    match test.which {
        Which::Any => held > 0,
        Which::All => count > 0 && held == count,
        Which::AllOrNone => held == count,
        Which::At(_) => at_place,
        Which::Count => test.test.holds(count),
    }
}

/// Whether a transaction or a file is as a test of the packet's list wants it.
pub(crate) fn view_holds(test: &PacketTest, view: &View<'_>, direction: Direction) -> bool {
    match (test, view) {
        (PacketTest::DceInterface { uuid, version, .. }, View::Other(transaction)) => {
            buffers::dce_interface(transaction, uuid, version.as_ref())
        }
        (PacketTest::FileHash { hashes, negated }, View::File(file)) => has_hash(file, hashes) != *negated,
        (PacketTest::FileExtension(extension), View::File(_) | View::Http(_)) => {
            let mut names = Instances::default();
            instances(view, direction, Buffer::FileName, &mut names);
            (0..names.len()).any(|at| {
                let name = names.get(at);
                let dot = name.iter().rposition(|&byte| byte == b'.');
                dot.and_then(|dot| name.get(dot + 1..))
                    .is_some_and(|of| of.eq_ignore_ascii_case(extension.as_bytes()))
            })
        }
        // Which files are stored is the configuration's business; the rule tells all the same.
        (PacketTest::FileStore, View::File(_) | View::Http(_)) => true,
        _ => false,
    }
}

fn has_hash(file: &FileView<'_>, hashes: &[Vec<u8>]) -> bool {
    let info = file.info;
    let known = |of: Option<&[u8]>| of.is_some_and(|of| hashes.iter().any(|hash| hash == of));
    known(info.md5.as_ref().map(|h| h.as_slice()))
        || known(info.sha1.as_ref().map(|h| h.as_slice()))
        || known(info.sha256.as_ref().map(|h| h.as_slice()))
}
