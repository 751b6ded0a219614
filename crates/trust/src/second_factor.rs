//! The second factor (动态口令): six digits of a phone's authenticator, good for half a minute and for one use.
//!
//! Source: RFC 6238 (TOTP over HMAC-SHA-1, 30 s, 6 digits: what every authenticator app speaks), secrets of 160 bits (RFC 4226).

use domain::Timestamp;
use domain::seams::Random;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// What phone and node share.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeSecret([u8; 20]);

/// Half a minute, counted from 1970: a code belongs to one.
pub type CodeStep = u64;

impl CodeSecret {
    pub fn make(random: &dyn Random) -> CodeSecret {
        let mut secret = [0; 20];
        random.fill(&mut secret);
        CodeSecret(secret)
    }

    /// From base32, as a person types it into a phone: 32 letters and digits.
    pub fn parse(text: &str) -> Option<CodeSecret> {
        let bytes = base32::decode(base32::Alphabet::Rfc4648 { padding: false }, text.trim())?;
        Some(CodeSecret(bytes.try_into().ok()?))
    }

    pub fn base32(&self) -> String {
        base32::encode(base32::Alphabet::Rfc4648 { padding: false }, &self.0)
    }

    /// What the QR code for the phone says.
    pub fn uri(&self, account: &str, place: &str) -> String {
        let escape = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                        char::from(byte).to_string()
                    }
                    other => format!("%{other:02X}"),
                })
                .collect()
        };
        let (place, account) = (escape(place), escape(account));
        format!("otpauth://totp/{place}:{account}?secret={}&issuer={place}", self.base32())
    }

    fn totp(&self) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(Secret::new_stack(self.0))
            .build_noncompliant()
    }

    /// What the phone shows at that moment.
    pub fn code(&self, at: Timestamp) -> String {
        self.totp().generate(seconds(at)).to_string()
    }

    /// The half minute the code belongs to: the present one or a neighbour, later than the one used last.
    pub fn check(&self, code: &str, at: Timestamp, used: Option<CodeStep>) -> Option<CodeStep> {
        let step = self.totp().check(code.trim(), seconds(at))?;
        used.is_none_or(|used| step > used).then_some(step)
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_ms() / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard_and_good_once() {
        // RFC 6238, appendix B: the ASCII secret of 20 digits; its eight digits end in these six.
        let secret = CodeSecret(*b"12345678901234567890");
        let at = |seconds: i64| Timestamp::from_ms(seconds * 1000);
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(secret.code(at(seconds)), code);
        }
        let step = secret.check("287082", at(59), None).unwrap();
        assert_eq!(secret.check("287082", at(70), None), Some(step), "a phone half a minute behind");
        assert_eq!(secret.check("287082", at(59), Some(step)), None, "I29: used already");
        assert_eq!(secret.check("287082", at(200), None), None);
        assert_eq!(secret.check("28708", at(59), None), None);
        assert_eq!(CodeSecret::parse(&secret.base32()).map(|again| again.0), Some(secret.0));
        assert!(secret.uri("li", "凯里市").starts_with("otpauth://totp/%E5%87%AF"));
    }
}
