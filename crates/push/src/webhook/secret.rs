//! Signatures of the Standard Webhooks specification: HMAC-SHA256 over "ID.TIMESTAMP.BODY", as `v1,BASE64`.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::PushError;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes that a secret has, as the specification recommends.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that requests are signed with: while one is replaced by another, both.
#[derive(Clone)]
pub(super) struct Secrets(Vec<Hmac<Sha256>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Reads a file with a secret a line.
    pub(super) fn load(path: &Path) -> Result<Self, PushError> {
        let text = std::fs::read_to_string(path).map_err(|err| PushError::file(path, err))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Option<Vec<_>> = lines.map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Secrets(keys)),
            _ => Err(PushError::file(
                path,
                "each line must be \"whsec_\" and 24 to 64 bytes in base64; \
                 echo \"whsec_$(openssl rand -base64 32)\" makes one",
            )),
        }
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let head = format!("{id}.{timestamp}.");
        let of = |key: &Hmac<Sha256>| {
            let mac = key.clone().chain_update(&head).chain_update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(of).collect::<Vec<_>>().join(" ")
    }
}

fn key(line: &str) -> Option<Hmac<Sha256>> {
    let bytes = STANDARD.decode(line.strip_prefix(PREFIX)?).ok()?;
    LENGTHS.contains(&bytes.len()).then(|| Hmac::new_from_slice(&bytes).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Secrets, PushError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, text).unwrap();
        Secrets::load(&path)
    }

    /// The expected value is what `openssl dgst -sha256 -hmac` and python's `hmac` print.
    #[test]
    fn the_signature_is_that_of_others() {
        let one = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let signed = load(one).unwrap().sign("msg_1", 1_700_000_000, r#"{"type":"ringward.alert"}"#);
        assert_eq!(signed, "v1,oIgrir4AZn7Vj90B0809h36gm/xX/nvhVccd8OBNVRs=");
        let two = load(&format!("{one}\n\nwhsec_{}\n", STANDARD.encode([7; 24]))).unwrap();
        let both = two.sign("msg_1", 1_700_000_000, r#"{"type":"ringward.alert"}"#);
        assert!(both.starts_with(&format!("{signed} v1,")), "{both}");
        assert!(!format!("{two:?}").contains("7, 7"));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in
            ["", "\n", "secret", "whsec_", "whsec_AAEC", "whsec_!!", &format!("whsec_{}", "A".repeat(100))]
        {
            assert!(load(bad).unwrap_err().to_string().contains("whsec_"), "{bad}");
        }
    }
}
