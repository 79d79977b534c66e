//! The box that secrets lie in at rest: XChaCha20-Poly1305 with a key of the data folder's own, in `secrets.key`.
//!
//! The key is a file of its own so that a copy of the database alone, the thing people mail and back up, opens nothing. Every sealed
//! text is bound to what it is for, so that it cannot be moved from one row to another.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Its name in the data folder.
pub(crate) const FILE: &str = "secrets.key";
/// What sealed texts begin with; what is not sealed never does (keys are letters and digits, variables are a JSON object).
const MARK: &str = "box1:";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Seals and opens. Cheap to clone; all clones are one box.
#[derive(Clone)]
pub struct SecretBox(Arc<XChaCha20Poly1305>);

impl fmt::Debug for SecretBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBox(..)")
    }
}

impl SecretBox {
    fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(XChaCha20Poly1305::new(&key.into())))
    }

    /// The box of a data folder; `None` where there is no key file.
    ///
    /// # Errors
    /// The file cannot be read, or is no key.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(FILE);
        let mut text = String::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Whoever put it back from a copy may not have thought of its mode.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let key = decode_hex(text.trim()).ok_or_else(|| io::Error::other("it is not 64 hexadecimal digits"))?;
        Ok(Some(Self::new(key)))
    }

    /// Makes a key for a data folder that has none, on disk before this returns.
    ///
    /// # Errors
    /// The file is there already or cannot be written, or the system has no randomness.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        // Under its name only when it is whole: a key that was cut short would be taken for a damaged one.
        let new = folder.join(".secrets.key.new");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(file, "{digits}")?;
        file.sync_all()?;
        fs::rename(&new, folder.join(FILE))?;
        File::open(folder)?.sync_all()?;
        Ok(Self::new(key))
    }

    /// Seals `plain` for a purpose; only the same purpose opens it.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> io::Result<String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| io::Error::other("too long to seal"))?;
        Ok(format!("{MARK}{}", URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what was sealed for a purpose; `None` for anything else.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(MARK)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: purpose.as_bytes() }).ok()
    }

    /// As [`SecretBox::open`], for what was a text.
    #[must_use]
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Option<String> {
        String::from_utf8(self.open(purpose, sealed)?).ok()
    }
}

/// Whether a text is sealed.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(MARK)
}

fn decode_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open_a_box() {
        let (mine, other) = (SecretBox::new([7; 32]), SecretBox::new([8; 32]));
        let sealed = mine.seal("a", b"hidden").expect("seals");
        assert!(is_sealed(&sealed) && !sealed.contains("hidden"));
        assert_eq!(mine.open_text("a", &sealed).as_deref(), Some("hidden"));
        assert_ne!(mine.seal("a", b"hidden").expect("seals"), sealed, "the same text looks different each time");
        assert_eq!(mine.open("b", &sealed), None);
        assert_eq!(other.open("a", &sealed), None);
        let mut damaged = sealed.clone();
        damaged.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        for text in ["", "hidden", "box1:", "box1:AAAA", "box1:!", &damaged, sealed.trim_start_matches("box1:")] {
            assert_eq!(mine.open("a", text), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_private_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(SecretBox::read(folder.path()).expect("looks").is_none());
        let sealed = SecretBox::create(folder.path()).expect("makes").seal("a", b"x").expect("seals");
        let path = folder.path().join(FILE);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        let again = SecretBox::read(folder.path()).expect("reads").expect("is there");
        assert_eq!(again.open("a", &sealed).as_deref(), Some(&b"x"[..]));
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        for bad in ["", "abc", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            fs::write(&path, bad).expect("writes");
            assert!(SecretBox::read(folder.path()).is_err(), "{bad}");
        }
    }
}
