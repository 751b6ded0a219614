//! Officer accounts: passwords hashed with argon2id (m = 19 MiB, t = 2, p = 1, the OWASP minimum).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// Why a password cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("口令至少 8 个字符")]
    TooShort,
    #[error("password hashing failed")]
    Hash,
}

/// A PHC string for storage; `salt` is 16 random bytes.
///
/// # Errors
/// [`PasswordFault::TooShort`] below eight characters.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, PasswordFault> {
    if password.chars().count() < 8 {
        return Err(PasswordFault::TooShort);
    }
    let hash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| PasswordFault::Hash)?;
    Ok(hash.to_string())
}

/// Costs the same whether the account exists or not: an unknown name is checked against a stored dummy.
pub fn verify_password(password: &str, stored: Option<&str>) -> bool {
    const DUMMY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$u5GiGsZLrHLYJmYvRJqCPPvX0dBhLxWAMHBKMFXJsVo";
    let parsed = PasswordHash::new(stored.unwrap_or(DUMMY));
    let matches =
        parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    matches && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_opens_and_nothing_else_does() {
        let stored = hash_password("柿花村-2026", [3; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify_password("柿花村-2026", Some(&stored)));
        assert!(!verify_password("柿花村-2027", Some(&stored)));
        assert!(!verify_password("柿花村-2026", None));
        assert_eq!(hash_password("short", [0; 16]), Err(PasswordFault::TooShort));
    }
}
