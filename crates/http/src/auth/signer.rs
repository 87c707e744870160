//! Keys, and the signing of tokens.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use madrigal_core::{Fault, Host, Timestamp};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::token::{Claims, Header, Role};
use super::verifier::TokenVerifier;

/// Signs tokens with an Ed25519 key. The key never prints.
pub struct TokenSigner {
    key: SigningKey,
    public: PublicKey,
}

/// The public part of a signer's key: what verifiers accept.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) key: VerifyingKey,
    pub(super) kid: String,
}

impl TokenSigner {
    /// A new key.
    pub fn generate(host: &Host) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        host.fill(&mut *bytes);
        Self::of(&bytes)
    }

    /// The key whose secret text this is: one line of base64, as [`TokenSigner::load_or_create`] writes it.
    ///
    /// Returns `None` for every other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(text.trim()).ok()?);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().ok()?);
        Some(Self::of(&bytes))
    }

    /// The key in this file, or a new one that is written there first, readable by nobody else (mode 0600) and durable.
    ///
    /// Two processes that create it at the same time end up with the same key. Blocks: call it while starting.
    ///
    /// # Errors
    /// Where the file cannot be read or written, others may read it, or it holds something else.
    pub fn load_or_create(path: &Path, host: &Host) -> Result<Self, Fault> {
        let fault = |error: std::io::Error| Fault::permanent("token-key", "load", error);
        match std::fs::read_to_string(path) {
            Ok(text) => return Self::loaded(path, &Zeroizing::new(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
        let signer = Self::generate(host);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(fault)?;
        // Written beside it and linked into place: whoever comes second finds a whole file, never half of one.
        let beside = path.with_extension(format!("{:016x}.new", host.random_u64()));
        let linked = signer.write(&beside).and_then(|()| std::fs::hard_link(&beside, path));
        std::fs::remove_file(&beside).map_err(fault)?;
        match linked {
            Ok(()) => {
                std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(fault)?;
                Ok(signer)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::loaded(path, &Zeroizing::new(std::fs::read_to_string(path).map_err(fault)?))
            }
            Err(error) => Err(fault(error)),
        }
    }

    fn loaded(path: &Path, text: &Zeroizing<String>) -> Result<Self, Fault> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let metadata = std::fs::metadata(path).map_err(|error| Fault::permanent("token-key", "load", error))?;
            if metadata.permissions().mode() & 0o077 != 0 {
                let text = format!("{} may be read by others; make it yours alone: chmod 600", path.display());
                return Err(Fault::permanent("token-key", "load", text));
            }
        }
        Self::from_text(text).ok_or_else(|| {
            Fault::permanent("token-key", "load", format!("{} does not hold a key: 32 bytes in base64", path.display()))
        })
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        let text = Zeroizing::new(STANDARD_NO_PAD.encode(self.key.as_bytes()));
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    }

    /// The public part.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A verifier that accepts this key alone.
    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new([self.public.clone()])
    }

    /// A token for `sub` in `role`, and when it expires (in whole seconds; at least one second from now).
    pub fn issue(&self, host: &Host, sub: &str, role: Role, lifetime: Duration) -> (String, Timestamp) {
        let iat = host.now().as_seconds();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX).max(1);
        // The far end of time is the end of what a timestamp holds.
        let exp = iat.saturating_add(seconds).min(i64::MAX / 1_000_000);
        let claims = Claims { sub: sub.to_owned(), role, iat, exp, jti: host.uuid_v7().simple().to_string() };
        (self.sign(&claims), Timestamp::from_micros(exp * 1_000_000))
    }

    /// A token that says exactly this.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = Header { alg: "EdDSA".into(), typ: Some("JWT".into()), kid: self.public.kid.clone() };
        // Structs of texts and numbers always serialise; an empty part would be refused by every verifier.
        let encode = |json: Result<Vec<u8>, serde_json::Error>| URL_SAFE_NO_PAD.encode(json.unwrap_or_default());
        let signed = format!("{}.{}", encode(serde_json::to_vec(&header)), encode(serde_json::to_vec(claims)));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn of(bytes: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(bytes);
        let public = PublicKey::of(key.verifying_key());
        Self { key, public }
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

impl PublicKey {
    fn of(key: VerifyingKey) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        Self { key, kid: URL_SAFE_NO_PAD.encode(&digest[..12]) }
    }

    /// The key whose text this is: one line of base64. Returns `None` for every other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = STANDARD_NO_PAD.decode(text.trim()).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).map(Self::of)
    }

    /// The key as one line of base64.
    pub fn to_text(&self) -> String {
        STANDARD_NO_PAD.encode(self.key.as_bytes())
    }

    /// The id by which tokens name this key: derived from the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}
