//! Tokens (入网令牌) as an administrator handles them on a page: issued with a proof, listed, taken back.

use crate::seats::unfit;
use crate::{ActError, Hall, NewToken, Officer, Place, Proof, Seating};
use domain::access::Permission;
use domain::division::{Division, DivisionTier};
use domain::network::{NodeRecord, Standing, Tier};
use domain::{NodeId, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;
use store::Enrolment;

/// A token that nobody has come with yet; the secret itself is kept nowhere.
#[derive(Debug, Clone, Serialize)]
pub struct OpenToken {
    /// By which it is taken back: the hash of its secret.
    pub token: String,
    pub node: NodeId,
    pub tier: Tier,
    pub place: String,
    pub name: String,
    /// Which machine of the node it lets in.
    pub incarnation: u32,
    pub by: String,
    pub issued: Timestamp,
    pub expires: Timestamp,
}

/// A token that lies about for longer is found by somebody.
const TOKEN_HOURS_MAX: u32 = 14 * 24;

/// Whether a place is a node's still. That of a lost machine is: another machine takes it, with all that the node has written.
fn stands(node: &NodeRecord) -> bool {
    node.standing != Standing::Evicted
}

impl Hall {
    /// [`Hall::issue_token`] for an officer at a page, who proves anew who they are, where nobody stands and nobody is expected.
    ///
    /// # Errors
    /// [`ActError::Login`], [`ActError::Forbidden`]; [`ActError::Unfit`] for hours out of bounds, and for a place that is taken; as [`Hall::issue_token`] otherwise.
    pub async fn sign_token(
        &self,
        officer: &Officer,
        seating: &Seating,
        ca_fingerprint: &str,
        hours: u32,
        proof: &Proof,
        source: &str,
    ) -> Result<NewToken, ActError> {
        self.allow(officer, Permission::Operate)?;
        // Judged before anybody's code is used up.
        if !(1..=TOKEN_HOURS_MAX).contains(&hours) {
            return Err(unfit(format!("有效时间应为 1 至 {TOKEN_HOURS_MAX} 小时")));
        }
        let expected = self.open_tokens().await?;
        let is_expected = match seating {
            Seating::At(Place { place, .. }) => {
                if self.store.network().iter().any(|node| node.place == *place && stands(node)) {
                    return Err(unfit("这个地方已有节点;换电脑请在“节点与证书”里选“换电脑”"));
                }
                expected.iter().any(|token| token.place == *place && token.incarnation == 1)
            }
            Seating::InPlaceOf { node } => expected.iter().any(|token| token.node == *node),
        };
        if is_expected {
            return Err(unfit("这里已有一张还没有用的令牌;遗失了请先作废"));
        }
        self.prove(&officer.name, proof, source).await?;
        let ttl_ms = i64::from(hours) * 3_600_000;
        self.issue_token(&officer.name, seating, ca_fingerprint, ttl_ms).await
    }

    /// Tokens that somebody may still come with, the newest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn open_tokens(&self) -> Result<Vec<OpenToken>, ActError> {
        let (now, network) = (self.now(), self.store.network());
        // One whose seat was taken by a machine with another token fits nobody any more.
        let fits = |one: &Enrolment| match network.get(&one.node) {
            None => one.incarnation == 1,
            Some(record) => record.incarnation + 1 == one.incarnation,
        };
        let all = self.store.open_enrolments(now).await?.into_iter().filter(fits);
        let token = |one: Enrolment| OpenToken {
            token: one.secret_hash,
            node: one.node,
            tier: one.tier,
            place: one.place,
            name: one.name,
            incarnation: one.incarnation,
            by: one.by,
            issued: one.issued,
            expires: one.expires,
        };
        Ok(all.map(token).collect())
    }

    /// Takes a token back that was lost or sent to the wrong person: nobody comes in with it.
    ///
    /// # Errors
    /// [`store::StoreError::Missing`] for one that was used, ran out or was taken back already.
    pub async fn void_token(&self, officer: &Officer, token: &str) -> Result<(), ActError> {
        self.allow(officer, Permission::Operate)?;
        Ok(self.store.void_enrolment(token, &officer.name, self.now()).await?)
    }

    /// Towns and villages of the catalogue's table that are no node's and where no machine is expected, each with its full name.
    ///
    /// # Errors
    /// [`ActError::NotFound`] without a catalogue, [`ActError::Store`].
    pub async fn free_places(&self) -> Result<Vec<(Place, String)>, ActError> {
        let (_, pack) = self.pack(None)?;
        let network = self.store.network();
        let mut taken: BTreeSet<String> =
            network.iter().filter(|node| stands(node)).map(|node| node.place.clone()).collect();
        let new = self.open_tokens().await?.into_iter().filter(|token| token.incarnation == 1);
        taken.extend(new.map(|token| token.place));
        let free = pack.divisions.iter().filter(|division| !taken.contains(&division.code));
        let place = |division: &Division| {
            let tier = match division.tier {
                DivisionTier::Town => Tier::Town,
                DivisionTier::Village => Tier::Village,
                _ => return None,
            };
            let name = pack.divisions.full_name(&division.code);
            Some((Place { tier, place: division.code.clone(), parent: None }, name))
        };
        Ok(free.filter_map(place).collect())
    }
}
