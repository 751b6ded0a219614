//! Crypto suites: which signature over which hash. The city's own is Ed25519 over SHA-256; a body bound to the national
//! algorithms (商用密码) seals with SM2 over SM3.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use sm2::dsa;

/// The identity with which SM2 hashes a signer's key when no other was agreed (GM/T 0009-2012, 7).
const SM2_ID: &str = "1234567812345678";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suite {
    #[default]
    #[serde(rename = "ed25519")]
    Ed25519Sha256,
    /// GB/T 32918.2-2016 over GB/T 32905-2016.
    #[serde(rename = "sm2")]
    Sm2Sm3,
}

impl Suite {
    pub const ALL: [Suite; 2] = [Suite::Ed25519Sha256, Suite::Sm2Sm3];

    /// As it stands in every signed thing.
    pub fn number(self) -> u32 {
        match self {
            Suite::Ed25519Sha256 => 1,
            Suite::Sm2Sm3 => 2,
        }
    }
    pub fn of(number: u32) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.number() == number)
    }
    pub fn name(self) -> &'static str {
        match self {
            Suite::Ed25519Sha256 => "ed25519",
            Suite::Sm2Sm3 => "sm2",
        }
    }
    pub fn digest(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Suite::Ed25519Sha256 => sha2::Sha256::digest(bytes).into(),
            Suite::Sm2Sm3 => sm3::Sm3::digest(bytes).into(),
        }
    }
    /// True when `signature` over `bytes` was made with the key of `public`. A key or signature of the wrong shape is false.
    pub fn verifies(self, public: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
        match self {
            Suite::Ed25519Sha256 => ed25519_verifies(public, bytes, signature),
            Suite::Sm2Sm3 => sm2_verifies(public, bytes, signature),
        }
        .is_some()
    }
}

impl std::str::FromStr for Suite {
    type Err = String;
    fn from_str(text: &str) -> Result<Suite, String> {
        let known = Suite::ALL.into_iter().find(|suite| suite.name() == text);
        known.ok_or_else(|| format!("{text:?} is no crypto suite; there are ed25519 and sm2"))
    }
}

fn ed25519_verifies(public: &[u8], bytes: &[u8], signature: &[u8]) -> Option<()> {
    let key = VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
    key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(signature.try_into().ok()?)).ok()
}

fn sm2_verifies(public: &[u8], bytes: &[u8], signature: &[u8]) -> Option<()> {
    use dsa::signature::Verifier;
    let key = dsa::VerifyingKey::from_sec1_bytes(SM2_ID, public).ok()?;
    key.verify(bytes, &dsa::Signature::from_slice(signature).ok()?).ok()
}

/// A secret key of one suite.
pub struct SuiteKey(Key);

enum Key {
    Ed25519(SigningKey),
    Sm2(dsa::SigningKey),
}

impl SuiteKey {
    pub fn ed25519(secret: [u8; 32]) -> SuiteKey {
        SuiteKey(Key::Ed25519(SigningKey::from_bytes(&secret)))
    }
    /// `None` when the suite has no key with this secret; of random ones fewer than one in four thousand million.
    pub fn new(suite: Suite, secret: [u8; 32]) -> Option<SuiteKey> {
        match suite {
            Suite::Ed25519Sha256 => Some(SuiteKey::ed25519(secret)),
            Suite::Sm2Sm3 => {
                let key = dsa::SigningKey::from_slice(SM2_ID, &secret).ok()?;
                // The largest scalar is a key that cannot sign.
                dsa::signature::Signer::try_sign(&key, b"").ok()?;
                Some(SuiteKey(Key::Sm2(key)))
            }
        }
    }
    pub fn suite(&self) -> Suite {
        match &self.0 {
            Key::Ed25519(_) => Suite::Ed25519Sha256,
            Key::Sm2(_) => Suite::Sm2Sm3,
        }
    }
    /// 32 bytes of Ed25519, or the 65 bytes `04‖x‖y` of SM2.
    pub fn public(&self) -> Vec<u8> {
        match &self.0 {
            Key::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            Key::Sm2(key) => key.verifying_key().to_sec1_bytes().to_vec(),
        }
    }
    /// `R‖S` of Ed25519, `r‖s` of SM2.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        match &self.0 {
            Key::Ed25519(key) => key.sign(bytes).to_bytes(),
            Key::Sm2(key) => {
                let signature: dsa::Signature = dsa::signature::Signer::sign(key, bytes);
                signature.to_bytes().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GB/T 32918.5-2017, annex A.2: the key pair, the message and its signature on the recommended curve.
    const SM2_SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const SM2_PUBLIC: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                              ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    const SM2_SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                                 b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

    #[test]
    fn sm2_and_sm3_agree_with_the_examples_of_the_standards() {
        let abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(crate::hex(&Suite::Sm2Sm3.digest(b"abc")), abc, "GB/T 32905-2016, A.1");
        let secret = crate::unhex(SM2_SECRET).unwrap().try_into().unwrap();
        let key = SuiteKey::new(Suite::Sm2Sm3, secret).unwrap();
        assert_eq!(crate::hex(&key.public()), SM2_PUBLIC);
        let signature = crate::unhex(SM2_SIGNATURE).unwrap();
        assert!(Suite::Sm2Sm3.verifies(&key.public(), b"message digest", &signature));
        assert!(!Suite::Sm2Sm3.verifies(&key.public(), b"message digested", &signature));
    }

    #[test]
    fn every_suite_knows_its_own_signatures_and_no_others() {
        for suite in Suite::ALL {
            assert_eq!((Suite::of(suite.number()), suite.name().parse()), (Some(suite), Ok(suite)));
            let (key, other) =
                (SuiteKey::new(suite, [7; 32]).unwrap(), SuiteKey::new(suite, [8; 32]).unwrap());
            let signature = key.sign(b"page");
            assert!(suite.verifies(&key.public(), b"page", &signature));
            assert!(!suite.verifies(&other.public(), b"page", &signature));
            for strange in Suite::ALL.into_iter().filter(|strange| *strange != suite) {
                assert!(!strange.verifies(&key.public(), b"page", &signature));
            }
            for broken in [&signature[..63], &[], &[0; 64], &[255; 64]] {
                assert!(!suite.verifies(&key.public(), b"page", broken));
                assert!(!suite.verifies(broken, b"page", &signature), "nor is rubbish a key");
            }
        }
        assert_eq!(Suite::of(9), None);
        for secret in [[0; 32], [255; 32]] {
            assert!(SuiteKey::new(Suite::Sm2Sm3, secret).is_none(), "not every secret is one of SM2's");
        }
    }
}
