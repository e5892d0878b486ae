//! Links in the text of a message.

/// Links that are kept of a message.
const MAX_URLS: usize = 32;
/// Characters of a link; what is longer is cut.
const MAX_URL: usize = 512;

/// Finds links in bytes that come piece by piece.
#[derive(Debug, Default)]
pub(super) struct Urls {
    /// The last letters before the place at hand.
    window: [u8; 8],
    open: Option<String>,
}

impl Urls {
    pub fn scan(&mut self, bytes: &[u8], into: &mut Vec<String>) {
        for &byte in bytes {
            if let Some(url) = &mut self.open {
                if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}')
                {
                    if url.len() < MAX_URL {
                        url.push(char::from(byte));
                    }
                    continue;
                }
                self.end(into);
            }
            self.window.rotate_left(1);
            self.window[7] = byte.to_ascii_lowercase();
            let found = [&b"http://"[..], b"https://", b"ftp://"].iter().any(|s| self.window.ends_with(s));
            if found && into.len() < MAX_URLS {
                self.open = Some(String::new());
                self.window = [0; 8];
            }
        }
    }

    /// The text is over.
    pub fn end(&mut self, into: &mut Vec<String>) {
        self.window = [0; 8];
        if let Some(url) = self.open.take() {
            let url = url.trim_end_matches(['.', ',', ';', ':', '!', '?']);
            if !url.is_empty() && !into.iter().any(|known| known == url) {
                into.push(url.to_owned());
            }
        }
    }
}
