//! What `file.magic` and `filemagic` look at: what a file is by its first bytes, in the words of libmagic (for rules are
//! written in them), and then its MIME type: `PDF document; application/pdf`.

use rules::{Buffer, Rule, Test};

/// MIME types and the words that libmagic's descriptions of them begin with.
const WORDS: [(&str, &str); 43] = [
    ("application/gzip", "gzip compressed data"),
    ("application/java-vm", "compiled Java class data"),
    ("application/java", "compiled Java class data"),
    ("application/msword", "Composite Document File V2 Document, Microsoft Word"),
    ("application/pdf", "PDF document"),
    ("application/postscript", "PostScript document text"),
    ("application/rtf", "Rich Text Format data"),
    ("application/vnd.android.dex", "Dalvik dex file"),
    ("application/vnd.debian.binary-package", "Debian binary package"),
    ("application/vnd.ms-cab-compressed", "Microsoft Cabinet archive data"),
    ("application/vnd.ms-excel", "Composite Document File V2 Document, Microsoft Excel"),
    ("application/vnd.ms-powerpoint", "Composite Document File V2 Document, Microsoft PowerPoint"),
    ("application/vnd.oasis.opendocument.text", "OpenDocument Text"),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "Microsoft PowerPoint 2007+",
    ),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Microsoft Excel 2007+"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Microsoft Word 2007+"),
    ("application/vnd.rar", "RAR archive data"),
    ("application/vnd.sqlite3", "SQLite 3.x database"),
    ("application/wasm", "WebAssembly (wasm) binary module"),
    ("application/x-7z-compressed", "7-zip archive data"),
    ("application/x-bzip2", "bzip2 compressed data"),
    ("application/x-compress", "compress'd data"),
    ("application/x-google-chrome-extension", "Google Chrome extension"),
    ("application/x-iso9660-image", "ISO 9660 CD-ROM filesystem data"),
    ("application/x-mach-binary", "Mach-O executable"),
    ("application/x-ole-storage", "Composite Document File V2 Document"),
    ("application/x-rpm", "RPM"),
    ("application/x-shockwave-flash", "Macromedia Flash data"),
    ("application/x-tar", "POSIX tar archive"),
    ("application/x-xz", "XZ compressed data"),
    ("application/zip", "Zip archive data"),
    ("application/zstd", "Zstandard compressed data"),
    ("audio/mpeg", "MPEG ADTS, layer III"),
    ("audio/x-wav", "RIFF (little-endian) data, WAVE audio"),
    ("image/bmp", "PC bitmap"),
    ("image/gif", "GIF image data"),
    ("image/jpeg", "JPEG image data"),
    ("image/png", "PNG image data"),
    ("image/tiff", "TIFF image data"),
    ("text/html", "HTML document"),
    ("text/x-shellscript", "POSIX shell script, ASCII text executable"),
    ("text/xml", "XML document text"),
    ("video/mp4", "ISO Media, MP4"),
];

/// Of a program for Windows that ends within its first bytes.
const PROGRAM: &str = "MS-DOS executable";
/// All that the words of programs are made of.
const PROGRAM_WORDS: [&str; 10] = [
    PROGRAM,
    "PE32 executable (DLL) (GUI) Intel 80386, for MS Windows",
    "PE32 executable (GUI) Intel 80386, for MS Windows",
    "PE32 executable (DLL) (console) Intel 80386, for MS Windows",
    "PE32 executable (console) Intel 80386, for MS Windows",
    "PE32+ executable (DLL) (GUI) x86-64, for MS Windows",
    "PE32+ executable (GUI) x86-64, for MS Windows",
    "PE32+ executable (DLL) (console) x86-64, for MS Windows",
    "PE32+ executable (console) x86-64, for MS Windows",
    "PE32 executable",
];
const ELF_WORDS: [&str; 4] = [
    "ELF 32-bit LSB executable",
    "ELF 64-bit LSB executable",
    "ELF 32-bit LSB shared object",
    "ELF 64-bit LSB shared object",
];

/// Appends what a file is; nothing if its first bytes do not tell.
pub(super) fn describe(bytes: &[u8], mut out: impl FnMut(&str)) {
    let Some(kind) = infer::get(bytes) else { return };
    let mime = kind.mime_type();
    let words = match mime {
        "application/vnd.microsoft.portable-executable" => Some(program(bytes)),
        "application/x-executable" => elf(bytes),
        _ => WORDS.iter().find(|(of, _)| *of == mime).map(|&(_, words)| words),
    };
    match words {
        Some(words) => out(&format!("{words}; {mime}")),
        None => out(mime),
    }
}

/// Words that have to be in the description of a file, and are in none.
pub(super) fn strange(rule: &Rule) -> Option<String> {
    let parts =
        rule.parts.iter().filter(|part| part.buffer == Buffer::FileMagic && part.transforms.is_empty());
    let contents = parts.flat_map(|part| &part.tests).filter_map(|test| match test {
        Test::Content(content) if !content.negated => Some(content),
        _ => None,
    });
    let strange = contents.into_iter().find(|content| !may_say(&content.pattern, content.nocase));
    strange.map(|content| String::from_utf8_lossy(&content.pattern).into_owned())
}

/// Whether a description can have these words in it. What has a slash may be any MIME type.
fn may_say(text: &[u8], nocase: bool) -> bool {
    let fold = |text: &[u8]| if nocase { text.to_ascii_lowercase() } else { text.to_vec() };
    let text = fold(text);
    let says = |words: &str| {
        let words = fold(format!("{words}; ").as_bytes());
        words.windows(text.len().max(1)).any(|part| part == text)
    };
    text.contains(&b'/')
        || WORDS.iter().any(|&(mime, words)| says(words) || says(mime))
        || PROGRAM_WORDS.into_iter().chain(ELF_WORDS).any(says)
        || says("application/vnd.microsoft.portable-executable")
        || says("application/x-executable")
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

/// A program for Windows, by the headers of its PE format.
fn program(bytes: &[u8]) -> &'static str {
    let header =
        bytes.get(0x3c..).and_then(|rest| rest.first_chunk()).map(|b| u32::from_le_bytes(*b) as usize);
    let Some(pe) = header.and_then(|at| bytes.get(at..)).filter(|pe| pe.starts_with(b"PE\0\0")) else {
        return PROGRAM;
    };
    let (Some(flags), Some(magic), Some(subsystem)) = (le16(pe, 22), le16(pe, 24), le16(pe, 92)) else {
        return PROGRAM;
    };
    let (library, window) = (flags & 0x2000 != 0, subsystem == 2);
    let at = 2 * usize::from(!window) + usize::from(!library);
    match magic {
        0x10b => PROGRAM_WORDS[1 + at],
        0x20b => PROGRAM_WORDS[5 + at],
        _ => PROGRAM_WORDS[9],
    }
}

fn elf(bytes: &[u8]) -> Option<&'static str> {
    let wide = *bytes.get(4)? == 2;
    let shared = le16(bytes, 16)? == 3;
    ELF_WORDS.get(2 * usize::from(shared) + usize::from(wide)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        let mut all = String::new();
        describe(bytes, |text| all.push_str(text));
        all
    }

    fn pe(magic: u16, flags: u16, subsystem: u16) -> Vec<u8> {
        let mut bytes = vec![0; 0x80 + 96];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        for (at, value) in [(22, flags), (24, magic), (92, subsystem)] {
            bytes[0x80 + at..][..2].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn files_are_told_in_the_words_of_libmagic() {
        let program = "; application/vnd.microsoft.portable-executable";
        for (bytes, words) in [
            (b"%PDF-1.4\n".to_vec(), "PDF document; application/pdf".to_owned()),
            (b"MZ".to_vec(), format!("MS-DOS executable{program}")),
            (
                pe(0x10b, 0x2000, 3),
                format!("PE32 executable (DLL) (console) Intel 80386, for MS Windows{program}"),
            ),
            (pe(0x20b, 2, 2), format!("PE32+ executable (GUI) x86-64, for MS Windows{program}")),
            (b"no such thing".to_vec(), String::new()),
        ] {
            assert_eq!(said(&bytes), words);
        }
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[16] = 2;
        assert_eq!(said(&elf), "ELF 64-bit LSB executable; application/x-executable");
    }

    #[test]
    fn words_that_no_file_has_are_known() {
        for (text, nocase, may) in [
            ("PDF document", false, true),
            ("pdf DOCUMENT", true, true),
            ("pdf document", false, false),
            ("executable for MS Windows", true, false),
            ("PE32+", false, true),
            ("for MS Windows", false, true),
            ("video/x-flv", false, true),
            ("Sony PlayStation", false, false),
        ] {
            assert_eq!(may_say(text.as_bytes(), nocase), may, "{text}");
        }
    }
}
