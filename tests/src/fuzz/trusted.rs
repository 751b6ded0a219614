//! What people and machines prove themselves with: certificates, requests for them, tokens, codes of papers and slips.

use domain::Timestamp;
use domain::network::{Network, NodeRecord, Tier};
use std::sync::OnceLock;
use trust::ca::{IssuerPair, Machine, NewCa, machine_of, new_ca, new_request, pem_to_der};
use trust::{CityCa, CodeSecret, JoinToken, NodeKey, ReceiptClaim, RenewalClaim, SealClaim, SealKey};

const NOW: Timestamp = testkit::dice::MONDAY;
const CITY: &str = "kaili.tongban";

fn ca() -> &'static (CityCa, NewCa) {
    static CA: OnceLock<(CityCa, NewCa)> = OnceLock::new();
    CA.get_or_init(|| {
        let new = new_ca(CITY, NOW).unwrap();
        (CityCa::load(CITY, &new.authority_pem, &new.issuer).unwrap(), new)
    })
}

fn machine() -> Machine {
    Machine { node: "v-0".parse().unwrap(), incarnation: 1 }
}

/// A paper or a code that was not written by us convinces nobody, and nothing here panics.
pub fn feed(input: &[u8]) {
    let (ca, new) = ca();
    let _ = machine_of(input, CITY);
    let text = String::from_utf8_lossy(input);
    let _ = CityCa::load(CITY, &text, &new.issuer);
    for (certificate_pem, key_pem) in [
        (new.issuer.certificate_pem.clone(), text.clone().into_owned()),
        (text.clone().into_owned(), new.issuer.key_pem.clone()),
    ] {
        let _ = CityCa::load(CITY, &new.authority_pem, &IssuerPair { certificate_pem, key_pem });
    }
    let _ = ca.authority_of(&text);
    let _ = trust::ca_folder::authorities(&text);
    let _ = ca.issue(&text, &machine(), 1, NOW);
    if let Some(der) = pem_to_der(&text) {
        let _ = machine_of(&der, CITY);
        let _ = trust::ca::first_day(&der);
    }
    let claim = RenewalClaim {
        certificate_pem: text.clone().into_owned(),
        request_pem: text.clone().into_owned(),
        signature: replication::Signature([0; 64]),
    };
    let stranger = NodeKey::from_secret([9; 32]).public();
    let record = NodeRecord::first(machine().node, Tier::Village, None, "522601108201", "v-0", stranger);
    assert!(claim.grant(ca, &record, 1, NOW).is_err(), "a renewal that nobody signed");
    if let Ok(token) = JoinToken::decode(&text) {
        assert_eq!(JoinToken::decode(&token.encode()), Ok(token), "a token that is read is written the same");
    }
    if let Some(claim) = ReceiptClaim::decode(&text) {
        assert!(!claim.verifies(&Network::default()), "a slip that verifies against no key at all");
    }
    let _ = SealClaim::decode(&text);
    let _ = CodeSecret::parse(&text);
    let _ = trust::unhex(&text);
    let _ = text.parse::<domain::CaseNo>();
    let _ = text.parse::<domain::NodeId>();
    let _ = text.parse::<domain::EntryId>();
    let _ = text.parse::<domain::Day>();
    let _ = domain::numbers::CitizenNo::parse(&text, NOW.day());
    let _ = domain::numbers::check_credit_code(&text);
    let _ = domain::expr::Expr::parse(&text);
}

pub fn samples() -> Vec<Vec<u8>> {
    let (ca, new) = ca();
    let pem = &new.authority_pem;
    let (_, request) = new_request(&machine().node).unwrap();
    let issued = ca.issue(&request, &machine(), 7, NOW).unwrap();
    let token = JoinToken {
        node: machine().node,
        tier: Tier::Village,
        city: CITY.into(),
        ca: "ab".repeat(32),
        secret: "cd".repeat(16),
        expires: NOW,
    };
    let key = NodeKey::from_secret([7; 32]);
    let seal = SealKey::of_node(&machine().node, &key);
    let case = domain::CaseNo::make(&machine().node, NOW.day(), 7);
    let receipt = ReceiptClaim::make(&seal, &case, &machine().node, &"ef".repeat(32));
    let texts = [
        pem.clone(),
        request,
        issued.pem.clone(),
        token.encode(),
        receipt.encode(),
        case.to_string(),
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned(),
        "age >= 60 and district in ['522601', '522622'] or not (income * 12 < 3000)".to_owned(),
        "52260119800101001X".to_owned(),
        "91522601MBTTX0077A".to_owned(),
    ];
    let ders = [pem, &issued.pem].map(|pem| pem_to_der(pem).unwrap());
    texts.into_iter().map(String::into_bytes).chain(ders).collect()
}
