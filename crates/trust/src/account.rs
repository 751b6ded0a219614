//! Officer accounts: passwords hashed with argon2id (m = 19 MiB, t = 2, p = 1, the OWASP minimum).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use domain::seams::Random;

/// Why a name or a password cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("用户名应为 1–40 个字母、数字、点、横线或下划线")]
    Name,
    #[error("口令至少 8 个字符")]
    TooShort,
    #[error("口令太常见,容易被猜中;请换一个")]
    Common,
    #[error("口令不能包含用户名;请换一个")]
    HasName,
    #[error("password hashing failed")]
    Hash,
}

/// As long as the name of an account may be.
pub const NAME_BYTES_MAX: usize = 40;

/// Whether an account may be called this.
///
/// # Errors
/// [`PasswordFault::Name`].
pub fn check_name(name: &str) -> Result<(), PasswordFault> {
    let plain = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain { Ok(()) } else { Err(PasswordFault::Name) }
}

/// What people choose most where nothing stops them; each is among the first that anybody tries.
const COMMON: [&str; 24] = [
    "password",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "87654321",
    "88888888",
    "66666666",
    "11111111",
    "00000000",
    "11223344",
    "12341234",
    "qwertyui",
    "qwertyuiop",
    "1qaz2wsx",
    "1q2w3e4r",
    "abcd1234",
    "abc12345",
    "aa123456",
    "a1234567",
    "asdfghjkl",
    "iloveyou",
    "woaini520",
    "admin123",
];

/// Whether a person may choose this password.
///
/// # Errors
/// [`PasswordFault`] with what to mend.
///
/// # Source
/// NIST SP 800-63B, 5.1.1.2: length and a list of what is guessed first, no rules about kinds of characters.
pub fn check_password(name: &str, password: &str) -> Result<(), PasswordFault> {
    let plain = password.to_lowercase();
    let first = plain.chars().next();
    match () {
        () if password.chars().count() < 8 => Err(PasswordFault::TooShort),
        () if COMMON.contains(&plain.as_str()) || plain.chars().all(|c| Some(c) == first) => {
            Err(PasswordFault::Common)
        }
        () if name.len() >= 4 && plain.contains(&name.to_lowercase()) => Err(PasswordFault::HasName),
        () => Ok(()),
    }
}

/// Sixteen characters that can be read aloud: 80 bits.
pub fn random_password(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let letter = |byte: &u8| (domain::ids::CROCKFORD[usize::from(byte & 31)] as char).to_ascii_lowercase();
    bytes.iter().map(letter).collect()
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
        assert!(check_name("wang.2").is_ok() && check_name("王芳").is_err() && check_name("").is_err());
        assert_eq!(check_password("wang", "柿花村-2026"), Ok(()));
        assert_eq!(check_password("wang", "short"), Err(PasswordFault::TooShort));
        assert_eq!(check_password("wang", "Passw0rd"), Err(PasswordFault::Common));
        assert_eq!(check_password("wang", "zzzzzzzzz"), Err(PasswordFault::Common));
        assert_eq!(check_password("wang", "WANG-1234"), Err(PasswordFault::HasName));
    }
}
