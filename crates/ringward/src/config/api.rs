//! What can be set of the control API, with its default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Locator};

/// How `ringward isolate`, `stats`, `reload` and `iocs` reach the sensor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path of the UNIX socket. Whoever may open it may do everything.
    pub socket: PathBuf,
    /// Permission bits of the socket, octal.
    pub socket_mode: String,
    /// Group of the socket, by name or number. Empty: that of the sensor.
    pub socket_group: String,
    /// Address and port on which Prometheus finds `/metrics`, as in "127.0.0.1:9477". Empty: nowhere.
    pub prometheus: String,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            socket: "/run/ringward/ringward.sock".into(),
            socket_mode: "0660".into(),
            socket_group: String::new(),
            prometheus: String::new(),
        }
    }
}

impl Control {
    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        if self.mode().is_none() {
            let what = format!("\"{}\" is no octal mode like 0660", self.socket_mode);
            return Err(at.error("control.socket_mode", &what));
        }
        if !self.prometheus.is_empty() && self.prometheus.parse::<SocketAddr>().is_err() {
            let what = format!("\"{}\" is no address with a port like 127.0.0.1:9477", self.prometheus);
            return Err(at.error("control.prometheus", &what));
        }
        Ok(())
    }

    /// The permission bits.
    pub fn mode(&self) -> Option<u32> {
        u32::from_str_radix(&self.socket_mode, 8).ok().filter(|mode| *mode <= 0o777)
    }
}

/// The control API over HTTPS (docs/api.md). There is none over TCP without TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Address and port, as in "127.0.0.1:9443". Empty: nowhere.
    pub listen: String,
    /// The server's certificate chain, PEM. Needed with `listen`.
    pub certificate: PathBuf,
    /// Its private key, PEM. Needed with `listen`.
    pub key: PathBuf,
    /// Whose signature clients' certificates carry, PEM. Empty: certificates are not asked for. Without `tokens` a
    /// client must have one.
    pub client_ca: PathBuf,
    /// Common names of client certificates that may change something; all others may only look.
    pub client_write: Vec<String>,
    /// Bearer tokens.
    pub tokens: Vec<ApiToken>,
}

/// A token.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiToken {
    /// Bearer tokens, as `[[api.tokens]]` tables: what the log and events call the token.
    pub name: String,
    /// What it is good for: "read" (GET) or "write" (everything).
    pub scope: TokenScope,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// Instead of `hash`: a file that begins with it, such as `sha256sum` writes.
    pub file: PathBuf,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Looking.
    #[default]
    Read,
    /// Looking and changing.
    Write,
}

impl Api {
    pub(super) fn resolve(&mut self, folder: &Path) {
        let tokens = self.tokens.iter_mut().map(|token| &mut token.file);
        for file in [&mut self.certificate, &mut self.key, &mut self.client_ca].into_iter().chain(tokens) {
            if !file.as_os_str().is_empty() {
                *file = folder.join(&*file);
            }
        }
    }

    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        for token in &self.tokens {
            token.check(at)?;
            if self.tokens.iter().filter(|other| other.name == token.name).count() > 1 {
                let what = format!("\"{}\" is used twice", token.name);
                return Err(at.error("api.tokens.name", &what));
            }
        }
        if !self.client_write.is_empty() && self.client_ca.as_os_str().is_empty() {
            return Err(
                at.error("api.client_write", "needs api.client_ca: nobody's certificate is asked for")
            );
        }
        if self.listen.is_empty() {
            return Ok(());
        }
        if self.listen.parse::<SocketAddr>().is_err() {
            let what = format!("\"{}\" is no address with a port like 127.0.0.1:9443", self.listen);
            return Err(at.error("api.listen", &what));
        }
        for (key, file) in [("certificate", &self.certificate), ("key", &self.key)] {
            if file.as_os_str().is_empty() {
                let what = format!("needs api.{key}: there is no API over TCP without TLS");
                return Err(at.error("api.listen", &what));
            }
        }
        if self.tokens.is_empty() && self.client_ca.as_os_str().is_empty() {
            let what = "needs [[api.tokens]] or api.client_ca: nobody could say who they are";
            return Err(at.error("api.listen", what));
        }
        Ok(())
    }
}

impl ApiToken {
    fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return Err(at.error("api.tokens.name", "a token needs a name"));
        }
        match (self.hash.is_empty(), self.file.as_os_str().is_empty()) {
            (false, true) if hash(&self.hash).is_none() => {
                let what = "must be 64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";
                Err(at.error("api.tokens.hash", what))
            }
            (false, true) | (true, false) => Ok(()),
            _ => Err(at.error("api.tokens.name", &format!("\"{}\" needs either hash or file", self.name))),
        }
    }

    /// The hash, wherever it is.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn hash(&self) -> Result<[u8; 32], String> {
        let file = self.file.display();
        let text = if self.hash.is_empty() {
            std::fs::read_to_string(&self.file).map_err(|err| format!("api.tokens.file: {file}: {err}"))?
        } else {
            self.hash.clone()
        };
        text.split_whitespace()
            .next()
            .and_then(hash)
            .ok_or_else(|| format!("api.tokens.file: {file}: does not begin with 64 hexadecimal digits"))
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const TLS: &str = "[api]\nlisten = \"0.0.0.0:9443\"\ncertificate = \"c\"\nkey = \"k\"\n";

    fn error(text: &str) -> String {
        Config::parse(Path::new("ringward.toml"), text).unwrap_err().0
    }

    #[test]
    fn errors_say_what_to_do() {
        let digits = "ab".repeat(32);
        for (text, want) in [
            ("[control]\nsocket_mode = \"rw\"\n".to_owned(), "2: control.socket_mode: \"rw\" is no octal"),
            (
                "[control]\nsocket_mode = \"4777\"\n".to_owned(),
                "2: control.socket_mode: \"4777\" is no octal",
            ),
            ("[api]\nlisten = \"9443\"\n".to_owned(), "2: api.listen: \"9443\" is no address"),
            (
                "[api]\nlisten = \"127.0.0.1:1\"\n".to_owned(),
                "2: api.listen: needs api.certificate: there is no",
            ),
            (
                "[api]\nlisten = \"127.0.0.1:1\"\ncertificate = \"c\"\n".to_owned(),
                "2: api.listen: needs api.key",
            ),
            (TLS.to_owned(), "2: api.listen: needs [[api.tokens]] or api.client_ca"),
            ("[api]\nclient_write = [\"soc\"]\n".to_owned(), "2: api.client_write: needs api.client_ca"),
            ("[[api.tokens]]\nhash = \"\"\n".to_owned(), ": api.tokens.name: a token needs a name"),
            ("[[api.tokens]]\nname = \"a\"\nhash = \"abc\"\n".to_owned(), "3: api.tokens.hash: must be 64"),
            ("[[api.tokens]]\nname = \"a\"\n".to_owned(), "2: api.tokens.name: \"a\" needs either"),
            (
                format!("[[api.tokens]]\nname = \"a\"\nhash = \"{digits}\"\n").repeat(2),
                "2: api.tokens.name: \"a\" is used",
            ),
            ("[[api.tokens]]\nname = \"a\"\nscope = \"all\"\n".to_owned(), "3: unknown variant `all`"),
        ] {
            let said = error(&text);
            assert!(said.starts_with("ringward.toml:") && said.contains(want), "{said}, not {want}");
        }
    }

    #[test]
    fn tokens_are_known_by_their_hash() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t");
        std::fs::write(&file, format!("{}  -\n", "0F".repeat(32))).unwrap();
        let token = ApiToken { name: "a".into(), file: file.clone(), ..ApiToken::default() };
        assert_eq!(token.hash(), Ok([15; 32]));
        std::fs::write(&file, "secret").unwrap();
        assert!(token.hash().unwrap_err().contains("does not begin with"));
    }
}
