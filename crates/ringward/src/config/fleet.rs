//! What can be set of the fleet, with its default.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use fleet::{Credentials, FleetOptions, Tls, is_site};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Locator, lifetime};

/// Other sensors and guards that verdicts and events are shared with. Without `servers` there is no fleet.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// NATS servers with JetStream, as "nats://HOST:4222" or "tls://HOST:4222"; of a cluster as many as there are. Any
    /// of them will do. Empty: no fleet.
    pub servers: Vec<String>,
    /// The name of this site in verdicts and subjects: letters, digits, "-" and "_". Boxes of one site may have the same.
    /// Required with `servers`.
    pub site: String,
    /// Name of the key-value bucket of verdicts; it is made if it is not there. Events go to the stream `NAME_events`,
    /// under `NAME.events.SITE.TYPE`. One bucket is one fleet.
    pub bucket: String,
    /// Copies of bucket and stream that a cluster keeps, if this box makes them.
    #[schemars(range(min = 1, max = 5))]
    pub replicas: u8,
    /// Which verdicts of this box the fleet is told: "isolate", "release". Verdicts of the fleet are always taken; this
    /// box's protected hosts stay protected.
    pub share: Vec<Share>,
    /// MiB of events that the server keeps, if this box makes the stream; the oldest go first.
    #[schemars(range(min = 1, max = 1048576))]
    pub events_max_mib: u32,
    /// How long it keeps them.
    pub events_max_age: String,
    /// Credentials file as the NATS tools write it (JWT and seed).
    pub credentials_file: Option<PathBuf>,
    /// File with an NKEY seed.
    pub nkey_file: Option<PathBuf>,
    /// User; its password is in `password_file`.
    pub user: String,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// File with a token.
    pub token_file: Option<PathBuf>,
    /// TLS; also asked for by "tls://".
    pub tls: FleetTls,
}

/// TLS to the servers of the fleet.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FleetTls {
    /// Authorities to trust (PEM); default: those of the system.
    pub ca: Option<PathBuf>,
    /// This box's certificate (PEM), if the server asks for one.
    pub cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    pub key: Option<PathBuf>,
}

/// Which verdicts are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// Isolations.
    Isolate,
    /// Releases before their time.
    Release,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            servers: Vec::new(),
            site: String::new(),
            bucket: "ringward".into(),
            replicas: 1,
            share: vec![Share::Isolate, Share::Release],
            events_max_mib: 1024,
            events_max_age: "7d".into(),
            credentials_file: None,
            nkey_file: None,
            user: String::new(),
            password_file: None,
            token_file: None,
            tls: FleetTls::default(),
        }
    }
}

impl Fleet {
    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let own = [
            &mut self.credentials_file,
            &mut self.nkey_file,
            &mut self.password_file,
            &mut self.token_file,
            &mut self.tls.ca,
            &mut self.tls.cert,
            &mut self.tls.key,
        ];
        own.into_iter().flatten()
    }

    /// Makes relative paths relative to the folder of the configuration.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in self.files() {
            *path = folder.join(&*path);
        }
    }

    /// Whether the connection is encrypted.
    fn is_tls(&self) -> bool {
        let t = &self.tls;
        t.ca.is_some() || t.cert.is_some() || self.servers.iter().any(|server| server.starts_with("tls://"))
    }

    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        for server in &self.servers {
            let address = server.strip_prefix("nats://").or_else(|| server.strip_prefix("tls://"));
            if address.is_none_or(|address| address.is_empty() || address.contains(['@', '/'])) {
                let what = format!("\"{server}\" is no server like nats://HOST:4222 or tls://HOST:4222");
                return Err(at.error("fleet.servers", &what));
            }
        }
        let name = |key: &str, text: &str| {
            let what = format!("\"{text}\" is no name of letters, digits, \"-\" and \"_\"");
            if is_site(text) { Ok(()) } else { Err(at.error(key, &what)) }
        };
        if self.servers.is_empty() && !self.site.is_empty() {
            return Err(at.error("fleet.site", "is of no use without fleet.servers"));
        }
        if !self.servers.is_empty() {
            name("fleet.site", &self.site)?;
        }
        name("fleet.bucket", &self.bucket)?;
        if !(1..=5).contains(&self.replicas) {
            return Err(at.error("fleet.replicas", "must be 1 to 5"));
        }
        if !(1..=1 << 20).contains(&self.events_max_mib) {
            return Err(at.error("fleet.events_max_mib", "must be 1 to 1048576"));
        }
        lifetime(&self.events_max_age).map_err(|what| at.error("fleet.events_max_age", &what))?;
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Err(at.error("fleet.tls.cert", "a certificate and its key are needed, both or none"));
        }
        self.check_credentials(at)
    }

    fn check_credentials(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        let ways = [
            ("fleet.credentials_file", self.credentials_file.is_some()),
            ("fleet.nkey_file", self.nkey_file.is_some()),
            ("fleet.user", !self.user.is_empty()),
            ("fleet.token_file", self.token_file.is_some()),
        ];
        let mut set = ways.iter().filter(|(_, set)| *set);
        if let (Some(first), Some(second)) = (set.next(), set.next()) {
            return Err(at.error(second.0, &format!("{} is set already; one of them is enough", first.0)));
        }
        if self.user.is_empty() != self.password_file.is_none() {
            return Err(at.error("fleet.user", "a user and a password_file are needed, both or none"));
        }
        let clear = self.servers.iter().find(|server| !is_local(server));
        if let (Some(server), false) = (clear, self.is_tls())
            && (self.password_file.is_some() || self.token_file.is_some())
        {
            let what =
                format!("a password or token would go to {server} in clear text; use tls:// or an NKEY");
            return Err(at.error("fleet.servers", &what));
        }
        Ok(())
    }

    /// What the fleet needs; `None` if there is none.
    ///
    /// # Errors
    /// What the checks let pass and is wrong nevertheless.
    pub fn options(&self) -> Result<Option<FleetOptions>, String> {
        if self.servers.is_empty() {
            return Ok(None);
        }
        let credentials =
            match (&self.credentials_file, &self.nkey_file, &self.password_file, &self.token_file) {
                (Some(file), ..) => Credentials::File(file.clone()),
                (_, Some(file), ..) => Credentials::Nkey(file.clone()),
                (_, _, Some(file), _) => {
                    Credentials::Password { user: self.user.clone(), file: file.clone() }
                }
                (.., Some(file)) => Credentials::Token(file.clone()),
                (None, None, None, None) => Credentials::None,
            };
        Ok(Some(FleetOptions {
            servers: self.servers.clone(),
            site: self.site.as_str().into(),
            tls: Tls { ca: self.tls.ca.clone(), identity: self.tls.cert.clone().zip(self.tls.key.clone()) },
            credentials,
            bucket: self.bucket.clone(),
            replicas: self.replicas.into(),
            events_bytes: i64::from(self.events_max_mib) << 20,
            events_age: lifetime(&self.events_max_age)?,
        }))
    }
}

/// Whether a server is on this machine, so that nothing goes over a wire.
fn is_local(server: &str) -> bool {
    let address = server.split_once("://").map_or(server, |(_, address)| address);
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => address.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn error(text: &str) -> String {
        Config::parse(Path::new("ringward.toml"), &format!("[fleet]\n{text}")).unwrap_err().0
    }

    #[test]
    fn what_cannot_work_is_refused_by_line_and_key() {
        let server = "servers = [\"nats://10.0.0.1:4222\"]\n";
        let cases = [
            ("servers = [\"http://x\"]\n", "ringward.toml:2: fleet.servers: \"http://x\" is no server"),
            (
                "servers = [\"nats://u:p@x\"]\n",
                "ringward.toml:2: fleet.servers: \"nats://u:p@x\" is no server",
            ),
            (server, "ringward.toml: fleet.site: \"\" is no name"),
            ("site = \"berlin\"\n", "ringward.toml:2: fleet.site: is of no use"),
            ("bucket = \"a.b\"\n", "ringward.toml:2: fleet.bucket: \"a.b\" is no name"),
            ("replicas = 6\n", "ringward.toml:2: fleet.replicas: must be 1 to 5"),
            (
                "events_max_age = \"soon\"\n",
                "ringward.toml:2: fleet.events_max_age: invalid duration \"soon\"",
            ),
            ("user = \"x\"\n", "ringward.toml:2: fleet.user: a user and a password_file"),
            (
                "nkey_file = \"a\"\ntoken_file = \"b\"\n",
                "ringward.toml:3: fleet.token_file: fleet.nkey_file is set already",
            ),
            ("[fleet.tls]\ncert = \"a\"\n", "ringward.toml:3: fleet.tls.cert: a certificate and its key"),
        ];
        for (text, expected) in cases {
            let said = error(text);
            assert!(said.starts_with(expected), "{said}");
        }
        let clear = error(&format!("{server}site = \"berlin\"\ntoken_file = \"t\"\n"));
        assert!(clear.starts_with("ringward.toml:2: fleet.servers: a password or token would go"), "{clear}");
    }

    #[test]
    fn credentials_stay_on_the_box_or_are_encrypted() {
        for server in
            ["nats://127.0.0.1:4222", "nats://[::1]:4222", "nats://localhost", "tls://10.0.0.1:4222"]
        {
            let text = format!("[fleet]\nservers = [\"{server}\"]\nsite = \"berlin\"\ntoken_file = \"t\"\n");
            let config = Config::parse(Path::new("x"), &text).unwrap();
            assert!(config.fleet.options().unwrap().is_some());
        }
        let none = Config::parse(Path::new("x"), "").unwrap();
        assert!(none.fleet.options().unwrap().is_none(), "off by default");
    }
}
