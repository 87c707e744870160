//! The master key: wraps the keys of persons.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use madrigal_core::{Fault, Host, PersonId, PersonKey, Secret};
use zeroize::Zeroizing;

use crate::config::MasterKeySource;

/// Wraps and unwraps keys of persons (XChaCha20-Poly1305, the person's id authenticated with it). Never printed.
#[derive(Clone)]
pub(super) struct MasterKey(PersonKey);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub(super) enum MasterKeyError {
    #[error("the master key is not 32 bytes in base64")]
    Form,
    #[error(
        "the keys of persons are there but master.key is gone: bring it back from where it was kept; without it nothing personal can be read again"
    )]
    Lost,
    #[error("the master key is another than the one that wrapped the keys of persons")]
    Other,
    #[error("a person's key does not unwrap: keys.sqlite was changed by somebody else")]
    Wrapped,
    #[error("the file of the master key may be read by others; make it yours alone: chmod 600")]
    Readable,
    #[error("the file of the master key")]
    File(#[source] io::Error),
}

impl From<MasterKeyError> for Fault {
    fn from(error: MasterKeyError) -> Self {
        Self::permanent("person-keys", "master-key", error)
    }
}

/// What the check value holds, sealed.
const CHECK: &[u8] = b"madrigal person keys, form 1";
const CHECK_PURPOSE: &[u8] = b"madrigal master-check 1";

impl MasterKey {
    /// The key from where `source` says. The service's own file is made if it is missing and `may_make`.
    ///
    /// Blocking: reads and writes files.
    pub(super) fn load(
        source: &MasterKeySource,
        own_file: &Path,
        may_make: bool,
        host: &Host,
    ) -> Result<Self, MasterKeyError> {
        match source {
            MasterKeySource::Given(text) => Self::parse(text.expose()),
            MasterKeySource::File(path) => Self::read(path),
            MasterKeySource::Own => match Self::read(own_file) {
                Err(MasterKeyError::File(error)) if error.kind() == io::ErrorKind::NotFound => {
                    if !may_make {
                        return Err(MasterKeyError::Lost);
                    }
                    Self::make(own_file, host).map_err(MasterKeyError::File)
                }
                result => result,
            },
        }
    }

    /// The key, wrapped for its person.
    pub(super) fn wrap(&self, host: &Host, person: PersonId, key: &PersonKey) -> Vec<u8> {
        self.0.encrypt(host, &purpose(person), key.expose())
    }

    /// The person's key from its wrapping.
    pub(super) fn unwrap(&self, person: PersonId, wrapped: &[u8]) -> Result<PersonKey, MasterKeyError> {
        let bytes = self.0.decrypt(&purpose(person), wrapped).map(Zeroizing::new).ok_or(MasterKeyError::Wrapped)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| MasterKeyError::Wrapped)?;
        Ok(PersonKey::from_bytes(bytes))
    }

    /// A value by which this key is recognised later.
    pub(super) fn check_value(&self, host: &Host) -> Vec<u8> {
        self.0.encrypt(host, CHECK_PURPOSE, CHECK)
    }

    /// Refuses a key that did not make `check_value`.
    pub(super) fn check(&self, check_value: &[u8]) -> Result<(), MasterKeyError> {
        match self.0.decrypt(CHECK_PURPOSE, check_value) {
            Some(plain) if plain == CHECK => Ok(()),
            _ => Err(MasterKeyError::Other),
        }
    }

    fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(MasterKeyError::File)?);
        #[cfg(unix)]
        {
            let mode = fs::metadata(path).map_err(MasterKeyError::File)?.permissions();
            if std::os::unix::fs::PermissionsExt::mode(&mode) & 0o077 != 0 {
                return Err(MasterKeyError::Readable);
            }
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim().trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| MasterKeyError::Form)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| MasterKeyError::Form)?;
        Ok(Self(PersonKey::from_bytes(bytes)))
    }

    /// A new key in a new file that only its owner may read, durable before anything is wrapped with it.
    ///
    /// Written beside and renamed: a crash in between leaves no half a key.
    fn make(path: &Path, host: &Host) -> io::Result<Self> {
        let key = PersonKey::generate(host);
        let text = Zeroizing::new(STANDARD_NO_PAD.encode(key.expose()));
        let beside = path.with_extension("key.new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = owner_only().open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        if let Some(directory) = path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(Self(key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// A new key in text form, for whoever keeps it outside the data directory.
pub fn new_master_key(host: &Host) -> Secret<String> {
    Secret::new(STANDARD_NO_PAD.encode(PersonKey::generate(host).expose()))
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn purpose(person: PersonId) -> Vec<u8> {
    format!("madrigal person-key 1 {person}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_unwraps_for_its_person_and_its_master_only() {
        let host = Host::system();
        let (master, other) = (MasterKey(PersonKey::generate(&host)), MasterKey(PersonKey::generate(&host)));
        let key = PersonKey::generate(&host);
        let wrapped = master.wrap(&host, PersonId(7), &key);
        assert_eq!(master.unwrap(PersonId(7), &wrapped).unwrap().expose(), key.expose());
        assert!(master.unwrap(PersonId(8), &wrapped).is_err());
        assert!(other.unwrap(PersonId(7), &wrapped).is_err());
        assert!(!wrapped.windows(32).any(|bytes| bytes == key.expose()));
    }

    #[test]
    fn another_master_key_is_recognised_as_such() {
        let host = Host::system();
        let (master, other) = (MasterKey(PersonKey::generate(&host)), MasterKey(PersonKey::generate(&host)));
        let value = master.check_value(&host);
        assert!(master.check(&value).is_ok());
        assert!(matches!(other.check(&value), Err(MasterKeyError::Other)));
    }

    #[test]
    fn a_given_key_is_base64_of_32_bytes_with_or_without_padding() {
        let padded = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
        assert_eq!(MasterKey::parse(padded).unwrap().0.expose()[31], 31);
        assert!(matches!(MasterKey::parse("AAEC"), Err(MasterKeyError::Form)));
        assert!(matches!(MasterKey::parse("no base64!"), Err(MasterKeyError::Form)));
    }
}
