//! Renewal of transport certificates: who may have a new one, and when to ask.
//!
//! A certificate lives [`CERTIFICATE_DAYS`]; a node asks for the next at half of that, so a village that is away for weeks
//! comes back with one that holds. One that has run out is renewed for [`GRACE_DAYS`] more, at the door for joining nodes,
//! where nothing else can be had with it (I28).

use crate::ca::{CERTIFICATE_DAYS, CityCa, Machine, NodeCertificate, TrustError, machine_of, pem_to_der};
use crate::sign::{NodeKey, signed_by};
use domain::network::NodeRecord;
use domain::{NodeId, Timestamp};
use replication::run::Sign;
use replication::{Hash, Signature};
use sha2::{Digest, Sha256};

pub const GRACE_DAYS: i64 = 180;
/// A node that is on its link renews at half of ninety days; with fewer left than this something keeps it from it.
pub const WORRYING_DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;

/// Whole days until then; negative once it is past.
pub fn days_left(until: Timestamp, now: Timestamp) -> i64 {
    until.since(now).div_euclid(DAY_MS)
}

/// A request, signed by the key of the node's journals: whoever carries it can neither change it nor make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalClaim {
    pub certificate_pem: String,
    pub request_pem: String,
    pub signature: Signature,
}

#[derive(Debug, thiserror::Error)]
pub enum RenewalFault {
    #[error("the certificate to be renewed is not one of this city's")]
    Foreign,
    #[error("the request is not signed by the node it names")]
    Unsigned,
    #[error("this machine was replaced, closed or reported lost: ask the city for a token to join anew")]
    Unwelcome,
    #[error("the certificate ran out more than {GRACE_DAYS} days ago: ask the city for a token to join anew")]
    TooOld,
    #[error("{0}")]
    Trust(#[from] TrustError),
}

fn claimed(certificate_pem: &str, request_pem: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban renewal 1\0");
    hasher.update(Sha256::digest(certificate_pem));
    hasher.update(Sha256::digest(request_pem));
    Hash(hasher.finalize().into())
}

impl RenewalClaim {
    pub fn make(key: &NodeKey, certificate_pem: String, request_pem: String) -> RenewalClaim {
        let signature = key.sign(&claimed(&certificate_pem, &request_pem));
        RenewalClaim { certificate_pem, request_pem, signature }
    }

    /// The machine that the claim names, by its certificate; nothing is believed yet.
    ///
    /// # Errors
    /// [`RenewalFault::Foreign`].
    pub fn machine(&self, ca: &CityCa) -> Result<(Machine, Timestamp), RenewalFault> {
        let der = pem_to_der(&self.certificate_pem).ok_or(RenewalFault::Foreign)?;
        ca.authority_of(&self.certificate_pem).ok_or(RenewalFault::Foreign)?;
        machine_of(&der, ca.city()).map_err(|_| RenewalFault::Foreign)
    }

    /// Issues the next certificate, if `record` says that this machine is let in.
    ///
    /// # Errors
    /// [`RenewalFault`], with the remedy.
    pub fn grant(
        &self,
        ca: &CityCa,
        record: &NodeRecord,
        serial: u64,
        now: Timestamp,
    ) -> Result<NodeCertificate, RenewalFault> {
        let (machine, until) = self.machine(ca)?;
        if record.id != machine.node || !record.lets_in(machine.incarnation) {
            return Err(RenewalFault::Unwelcome);
        }
        if !signed_by(&record.sign_key, &claimed(&self.certificate_pem, &self.request_pem), &self.signature) {
            return Err(RenewalFault::Unsigned);
        }
        if now.since(until) > GRACE_DAYS * DAY_MS {
            return Err(RenewalFault::TooOld);
        }
        Ok(ca.issue(&self.request_pem, &machine, serial, now)?)
    }
}

/// Whether it is time to ask for the next certificate: at half life, each node a little later than that in its own way, so that
/// a hundred that joined in one morning do not all come on one.
pub fn is_due(until: Timestamp, now: Timestamp, node: &NodeId) -> bool {
    let spread = i64::from(Sha256::digest(node.as_str())[0]);
    let life = CERTIFICATE_DAYS * DAY_MS;
    until.since(now) <= life / 2 - life / 10 * spread / 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{new_request, renewal_request};
    use domain::network::Tier;

    const NOW: Timestamp = Timestamp::from_ms(1_795_400_000_000);

    fn days(count: i64) -> Timestamp {
        NOW.plus_ms(count * DAY_MS)
    }

    #[test]
    fn a_certificate_is_renewed_by_its_own_machine_for_half_a_year_after_it_ran_out() {
        let ca = CityCa::create("kaili.tongban", NOW).unwrap();
        let key = NodeKey::from_secret([1; 32]);
        let node: NodeId = "v-1".parse().unwrap();
        let (tls_key, csr) = new_request(&node).unwrap();
        let machine = Machine { node: node.clone(), incarnation: 1 };
        let first = ca.issue(&csr, &machine, 1, NOW).unwrap();
        let record = NodeRecord::first(node.clone(), Tier::Village, None, "", "", key.public());
        let again = renewal_request(&node, &tls_key).unwrap();
        let claim = RenewalClaim::make(&key, first.pem.clone(), again.clone());

        let next = claim.grant(&ca, &record, 2, days(50)).unwrap();
        assert_eq!(machine_of(&next.der, "kaili.tongban").unwrap().0, machine);
        claim.grant(&ca, &record, 2, days(CERTIFICATE_DAYS + GRACE_DAYS)).unwrap();
        let late = claim.grant(&ca, &record, 2, days(CERTIFICATE_DAYS + GRACE_DAYS + 1));
        assert!(matches!(late, Err(RenewalFault::TooOld)), "I28");

        let thief = RenewalClaim::make(&NodeKey::from_secret([2; 32]), first.pem.clone(), again.clone());
        assert!(matches!(thief.grant(&ca, &record, 2, days(1)), Err(RenewalFault::Unsigned)));
        let replaced = record.replaced_by(NodeKey::from_secret([3; 32]).public());
        assert!(matches!(claim.grant(&ca, &replaced, 2, days(1)), Err(RenewalFault::Unwelcome)), "I26");
        let other = CityCa::create("kaili.tongban", NOW).unwrap();
        assert!(matches!(claim.grant(&other, &record, 2, days(1)), Err(RenewalFault::Foreign)));
    }

    #[test]
    fn nodes_ask_after_half_life_and_not_all_at_once() {
        let until = days(CERTIFICATE_DAYS);
        let asks_on = |node: &str| {
            let node = node.parse().unwrap();
            (0..CERTIFICATE_DAYS).find(|day| is_due(until, days(*day), &node)).unwrap()
        };
        let asked: std::collections::BTreeSet<i64> = (0..100).map(|no| asks_on(&format!("v-{no}"))).collect();
        assert!(asked.iter().all(|day| (45..=54).contains(day)), "{asked:?}");
        assert!(asked.len() > 5, "spread over days: {asked:?}");
    }
}
