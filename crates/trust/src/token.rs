//! Join tokens (入网令牌): one line that enrols one node in one place, once.
//!
//! The token pins the fingerprint of the city's CA, so a joining node knows whom it talks to before it trusts anything.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::network::Tier;
use domain::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    pub node: NodeId,
    pub tier: Tier,
    pub city: String,
    /// SHA-256 of the CA certificate, hexadecimal.
    pub ca: String,
    /// 16 random bytes, hexadecimal; the hub keeps only its hash.
    pub secret: String,
    pub expires: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error(
        "this is not a join token: copy the whole line that `city-hub enroll-token` printed, from `tb1.` to its end"
    )]
    Unreadable,
    #[error("the token is mistyped (its check sum differs): copy it again")]
    CheckSum,
}

const PREFIX: &str = "tb1.";

impl JoinToken {
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("plain data serialises");
        let sum = &crate::fingerprint(&json)[..8];
        format!("{PREFIX}{}.{sum}", URL_SAFE_NO_PAD.encode(json))
    }

    /// # Errors
    /// [`TokenFault`]; whether the token is still good is for the hub to say.
    pub fn decode(line: &str) -> Result<JoinToken, TokenFault> {
        let rest = line.trim().strip_prefix(PREFIX).ok_or(TokenFault::Unreadable)?;
        let (payload, sum) = rest.split_once('.').ok_or(TokenFault::Unreadable)?;
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenFault::CheckSum)?;
        if crate::fingerprint(&json)[..8] != *sum {
            return Err(TokenFault::CheckSum);
        }
        serde_json::from_slice(&json).map_err(|_| TokenFault::Unreadable)
    }

    /// What the hub stores and compares.
    pub fn secret_hash(&self) -> String {
        crate::fingerprint(self.secret.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_copied_wrongly_is_recognised_at_once() {
        let token = JoinToken {
            node: "v-7k3qzpam".parse().unwrap(),
            tier: Tier::Village,
            city: "kaili.tongban".into(),
            ca: "ab".repeat(32),
            secret: "00".repeat(16),
            expires: Timestamp::from_ms(1),
        };
        let line = token.encode();
        assert_eq!(JoinToken::decode(&format!(" {line}\n")), Ok(token));
        assert_eq!(JoinToken::decode("hello"), Err(TokenFault::Unreadable));
        let mut wrong = line.clone().into_bytes();
        wrong[10] = if wrong[10] == b'A' { b'B' } else { b'A' };
        assert_eq!(JoinToken::decode(std::str::from_utf8(&wrong).unwrap()), Err(TokenFault::CheckSum));
        assert!(JoinToken::decode(&line[..line.len() - 3]).is_err());
    }
}
