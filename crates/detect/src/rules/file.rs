//! Buffers of files that protocols other than HTTP carry: attachments, FTP data, SMB, NFS.

use proto::FileState;
use rules::{Buffer, Field};
use wire::Direction;

use super::magic;
use super::view::{FileView, Instances};

/// Appends the instances of a buffer that a file has; none if it went the other way.
pub fn instances<'a>(file: &FileView<'a>, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    if file.info.direction != direction {
        return;
    }
    match buffer {
        Buffer::FileData if !file.content.is_empty() => out.borrow(file.content),
        Buffer::FileName => file.info.name.iter().for_each(|name| out.borrow(name.as_bytes())),
        Buffer::FileMagic => {
            magic::describe(file.content, |text| out.build(|to| to.extend_from_slice(text.as_bytes())));
        }
        _ => {}
    }
}

/// Calls `each` with every number of that field. The size of a file whose end was not seen is not known.
pub fn numbers(file: &FileView<'_>, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let info = file.info;
    if field == Field::FileSize && info.direction == direction && info.state == FileState::Closed {
        each(info.size);
    }
}

#[cfg(test)]
mod tests {
    use proto::FileInfo;

    use super::*;

    fn info(state: FileState) -> FileInfo {
        FileInfo {
            direction: Direction::ToServer,
            name: Some("a.doc".into()),
            size: 9,
            state,
            gaps: false,
            magic: Some("application/pdf"),
            md5: None,
            sha1: None,
            sha256: None,
            stored: false,
            tx_id: 0,
            app: None,
            carrier: None,
        }
    }

    #[test]
    fn files_have_content_name_magic_and_size() {
        let info = info(FileState::Closed);
        let file = FileView { info: &info, content: b"%PDF-1.4", carrier: None };
        let of = |direction, buffer| {
            let mut out = Instances::new(Vec::new());
            instances(&file, direction, buffer, &mut out);
            (0..out.len()).map(|at| out.get(at).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(of(Direction::ToServer, Buffer::FileData), [b"%PDF-1.4"]);
        assert_eq!(of(Direction::ToServer, Buffer::FileName), [b"a.doc"]);
        assert_eq!(of(Direction::ToServer, Buffer::FileMagic), [b"PDF document; application/pdf"]);
        assert!(of(Direction::ToClient, Buffer::FileData).is_empty());
        assert!(of(Direction::ToServer, Buffer::HttpUri).is_empty());
    }

    #[test]
    fn only_whole_files_have_a_size() {
        let sizes = |state, direction| {
            let info = info(state);
            let mut sizes = Vec::new();
            let file = FileView { info: &info, content: b"", carrier: None };
            numbers(&file, direction, Field::FileSize, &mut |n| sizes.push(n));
            sizes
        };
        assert_eq!(sizes(FileState::Closed, Direction::ToServer), [9]);
        assert!(sizes(FileState::Closed, Direction::ToClient).is_empty());
        assert!(sizes(FileState::Truncated, Direction::ToServer).is_empty());
    }
}
