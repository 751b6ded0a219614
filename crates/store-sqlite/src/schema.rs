//! The tables. Migrations are numbered, forward only, and never edited once merged.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use store::StoreError;

const STEPS: &[M<'static>] = &[
    M::up(
    "
    -- Journals and their entries: the truth. Everything below `case_entry` can be rebuilt from these two.
    CREATE TABLE journal(
        no INTEGER PRIMARY KEY, author TEXT NOT NULL, channel TEXT NOT NULL,
        epoch INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL,
        frozen INTEGER NOT NULL DEFAULT 0, UNIQUE(author, channel)) STRICT;
    -- pos = journal.no << 40 | seq: one tree, read and written in journal order, no second index.
    CREATE TABLE entry(
        pos INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, core BLOB NOT NULL, body BLOB NOT NULL,
        signature BLOB, hash BLOB NOT NULL) STRICT;
    -- Ids of our own acts: asking twice is one change.
    CREATE TABLE request(id BLOB PRIMARY KEY, pos INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    -- Projections.
    CREATE TABLE case_entry(
        case_no TEXT NOT NULL, pos INTEGER NOT NULL, no INTEGER NOT NULL, term INTEGER NOT NULL,
        verdict TEXT NOT NULL, PRIMARY KEY(case_no, pos)) STRICT, WITHOUT ROWID;
    CREATE INDEX case_entry_held ON case_entry(verdict, case_no) WHERE verdict <> 'applied' AND verdict <> 'slip';
    -- A rowid table: rows of a kilobyte in a tree keyed by random numbers would split pages all day.
    CREATE TABLE dossier(
        no INTEGER PRIMARY KEY, case_no TEXT NOT NULL UNIQUE, item TEXT NOT NULL, release INTEGER NOT NULL, origin TEXT NOT NULL, holder TEXT NOT NULL,
        status TEXT NOT NULL, applicant TEXT NOT NULL, captured_ms INTEGER NOT NULL, captured_pos INTEGER NOT NULL,
        pages INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
    CREATE INDEX dossier_status ON dossier(status);
    CREATE INDEX dossier_holder ON dossier(holder);
    CREATE TABLE task(
        case_no TEXT NOT NULL, stage TEXT NOT NULL, body TEXT NOT NULL, kind TEXT NOT NULL, item TEXT NOT NULL,
        applicant TEXT NOT NULL, due TEXT NOT NULL, claimed_by TEXT,
        PRIMARY KEY(case_no, stage, body)) STRICT, WITHOUT ROWID;
    CREATE INDEX task_queue ON task(body, due, case_no, stage);
    CREATE TABLE custody(
        author TEXT NOT NULL, by_node TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY(author, by_node)) STRICT, WITHOUT ROWID;
    CREATE TABLE node(id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE pack_piece(
        release INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY(release, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE pack_release(release INTEGER PRIMARY KEY, pieces TEXT NOT NULL) STRICT;
    CREATE TABLE attachment(
        hash TEXT PRIMARY KEY, bytes INTEGER NOT NULL, origin TEXT NOT NULL, present INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX attachment_missing ON attachment(origin, hash) WHERE present = 0;
    CREATE TABLE case_attachment(
        case_no TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY(case_no, hash)) STRICT, WITHOUT ROWID;

    -- This node's own records.
    CREATE TABLE quarantine(
        no INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, peer TEXT NOT NULL, journal TEXT NOT NULL, seq INTEGER NOT NULL,
        reason TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE draft(
        id BLOB PRIMARY KEY, officer TEXT NOT NULL, version INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
        draft TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE account(
        name TEXT PRIMARY KEY, display TEXT NOT NULL, body TEXT, password TEXT NOT NULL,
        disabled INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE login(
        token_hash TEXT PRIMARY KEY, account TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE enrolment(secret_hash TEXT PRIMARY KEY, enrolment TEXT NOT NULL, used_ms INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE serial(scope TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE contact(
        node TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, clock_skew_ms INTEGER NOT NULL,
        own_head INTEGER NOT NULL, oldest_waiting_ms INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE confirmed(
        peer TEXT NOT NULL, author TEXT NOT NULL, channel TEXT NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY(peer, author, channel)) STRICT, WITHOUT ROWID;
    CREATE TABLE audit(
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
        previous BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
    ",
    ),
    M::up(
        "
    -- Every receipt, not only the last: the day of the first that covers a submission starts its first limit.
    CREATE TABLE receipt(
        author TEXT NOT NULL, by_node TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY(author, by_node, seq)) STRICT, WITHOUT ROWID;
    INSERT INTO receipt SELECT author, by_node, seq, at_ms FROM custody;
    ALTER TABLE dossier ADD COLUMN submitted_pos INTEGER NOT NULL DEFAULT 0;
    UPDATE dossier SET submitted_pos = captured_pos;
    CREATE INDEX dossier_unanswered ON dossier(holder, submitted_pos, case_no) WHERE status = 'captured';
    ",
    ),
    M::up(
        "
    -- Electronic supervision: one row for each alert, the fold of the entries about it.
    CREATE TABLE alert(
        no INTEGER PRIMARY KEY, case_no TEXT NOT NULL, key TEXT NOT NULL, rung TEXT NOT NULL, open INTEGER NOT NULL,
        state TEXT NOT NULL, UNIQUE(case_no, key)) STRICT;
    CREATE INDEX alert_open ON alert(rung, no) WHERE open = 1;
    -- How far a job of this node has read the journals.
    CREATE TABLE mark(
        job TEXT NOT NULL, author TEXT NOT NULL, channel TEXT NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY(job, author, channel)) STRICT, WITHOUT ROWID;
    ",
    ),
    M::up(
        "
    -- Letters of delegation and seals, as the hub publishes them.
    CREATE TABLE letter(number TEXT PRIMARY KEY, letter TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE revocation(
        number TEXT NOT NULL, revocation TEXT NOT NULL, PRIMARY KEY(number, revocation)) STRICT, WITHOUT ROWID;
    CREATE TABLE seal(
        owner TEXT NOT NULL, no INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY(owner, no)) STRICT, WITHOUT ROWID;
    -- Persons are looked up by a hash under a key that never leaves this file.
    CREATE TABLE secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO secret VALUES('lookup', randomblob(32));
    CREATE TABLE breach(person BLOB NOT NULL, case_no TEXT NOT NULL, PRIMARY KEY(person, case_no)) STRICT, WITHOUT ROWID;
    ",
    ),
    M::up(
        "
    -- The licence library: what this node has seen issued or checked, by person and licence type.
    CREATE TABLE filed(
        person BLOB NOT NULL, kind TEXT NOT NULL, case_no TEXT NOT NULL, number TEXT NOT NULL, filed TEXT NOT NULL,
        PRIMARY KEY(person, kind, case_no, number)) STRICT, WITHOUT ROWID;
    CREATE INDEX filed_number ON filed(number) WHERE number <> '';
    CREATE TABLE licence_state(
        number TEXT NOT NULL, seq INTEGER NOT NULL, change TEXT NOT NULL, PRIMARY KEY(number, seq)) STRICT, WITHOUT ROWID;
    -- Cases that wait for the library's answer (hub).
    CREATE TABLE library_ask(case_no TEXT PRIMARY KEY, page INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    -- Ratings, and what was said about each bad one since.
    CREATE TABLE rating(
        case_no TEXT NOT NULL, slip BLOB NOT NULL, pos INTEGER NOT NULL, grade TEXT NOT NULL, bad INTEGER NOT NULL,
        PRIMARY KEY(case_no, slip)) STRICT, WITHOUT ROWID;
    CREATE TABLE rectify_step(
        case_no TEXT NOT NULL, entry BLOB NOT NULL, said TEXT NOT NULL, PRIMARY KEY(case_no, entry)) STRICT, WITHOUT ROWID;
    -- Where each release stands in the hub's journal to all, and how far every node has that journal.
    ALTER TABLE pack_release ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contact ADD COLUMN all_through INTEGER NOT NULL DEFAULT 0;
    ",
    ),
    M::up(
        "
    -- Which version's projections these are; 0 before anybody counted.
    CREATE TABLE projected(version INTEGER NOT NULL) STRICT;
    INSERT INTO projected VALUES(0);
    ",
    ),
    M::up(
        "
    -- Set while this node takes back what it once told others.
    CREATE TABLE recovery(one INTEGER PRIMARY KEY CHECK(one = 1), state TEXT NOT NULL) STRICT;
    -- Branches that ended when their author opened a newer epoch, kept as they were. `done`: ours are filed again, others'
    -- are on their way back to their author.
    CREATE TABLE aside(
        no INTEGER PRIMARY KEY, author TEXT NOT NULL, channel TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
        previous BLOB NOT NULL, core BLOB NOT NULL, body BLOB NOT NULL, signature BLOB, hash BLOB NOT NULL,
        at_ms INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, UNIQUE(author, channel, hash)) STRICT;
    CREATE INDEX aside_waiting ON aside(author) WHERE done = 0;
    -- What an operator should know and that needs nothing done stands beside what does.
    ALTER TABLE quarantine ADD COLUMN remark INTEGER NOT NULL DEFAULT 0;
    -- A village's captures in the order of its journal, for the reconciliation.
    CREATE INDEX dossier_origin ON dossier(origin, captured_pos);
    ",
    ),
    M::up(
        "
    -- Posts, second factors, log-ins that end by themselves, acts of two persons. `roles` is NULL of an account from before.
    ALTER TABLE account ADD COLUMN roles TEXT;
    ALTER TABLE account ADD COLUMN code_secret TEXT;
    ALTER TABLE account ADD COLUMN code_used INTEGER;
    DROP TABLE login;
    CREATE TABLE login(
        token_hash TEXT PRIMARY KEY, account TEXT NOT NULL, opened_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, second_factor INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX login_account ON login(account, opened_ms);
    CREATE TABLE countersign(
        id BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, countersign TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
    -- Where the heads of the own audit stand in the own journal.
    CREATE TABLE audit_anchor(seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, pos INTEGER NOT NULL) STRICT;
    ",
    ),
    M::up(
        "
    -- The quarantine is bounded for every neighbour by itself; evidence does not make room.
    ALTER TABLE quarantine ADD COLUMN evidence INTEGER NOT NULL DEFAULT 0;
    UPDATE quarantine SET evidence = 1 WHERE reason LIKE 'fork:%' OR reason LIKE 'late:%';
    CREATE INDEX quarantine_peer ON quarantine(peer, evidence, no);
    CREATE INDEX quarantine_place ON quarantine(peer, journal, seq);
    CREATE TABLE evidence(peer TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO evidence SELECT peer, sum(length(bytes)) FROM quarantine WHERE evidence = 1 GROUP BY peer;
    -- What is believed of the city's authorities, and under which of them each node showed its certificate.
    CREATE TABLE trust_bundle(version INTEGER PRIMARY KEY, seq INTEGER NOT NULL, bundle TEXT NOT NULL) STRICT;
    ALTER TABLE contact ADD COLUMN under TEXT;
    ",
    ),
    M::up(
        "
    -- Attachments that are here and that the parent has not said it has. What lay here before anybody counted is asked about.
    CREATE TABLE on_way(no INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE) STRICT;
    INSERT INTO on_way(hash) SELECT hash FROM attachment WHERE present = 1 ORDER BY hash;
    CREATE INDEX case_attachment_hash ON case_attachment(hash);
    ",
    ),
    M::up(
        "
    -- The cases of each person, by the keyed hash of their number. Filled behind the work, never in its way: `person_through`
    -- says how far.
    CREATE TABLE person_case(
        person BLOB NOT NULL, case_no TEXT NOT NULL, PRIMARY KEY(person, case_no)) STRICT, WITHOUT ROWID;
    CREATE TABLE person_through(one INTEGER PRIMARY KEY CHECK(one = 1), dossier INTEGER NOT NULL) STRICT;
    ",
    ),
    M::up(
        "
    -- Applications from the citizens' hall: `mends` is the notice one answers, `open` that its town has not taken it in.
    CREATE TABLE application(
        id BLOB PRIMARY KEY, case_no TEXT NOT NULL, town TEXT NOT NULL, pos INTEGER NOT NULL, mends INTEGER,
        open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX application_open ON application(pos) WHERE open = 1;
    CREATE INDEX application_case ON application(case_no);
    ",
    ),
    M::up(
        "
    -- 取号叫号: the numbers of this house's windows. They know no names, and concern nobody else.
    CREATE TABLE ticket(
        day TEXT NOT NULL, label TEXT NOT NULL, ticket TEXT NOT NULL, PRIMARY KEY(day, label)) STRICT, WITHOUT ROWID;
    ",
    ),
    M::up(
        "
    -- What a person said of an incident. It stays, and is no longer open.
    ALTER TABLE quarantine ADD COLUMN settled_ms INTEGER;
    ALTER TABLE quarantine ADD COLUMN settled_by TEXT;
    ALTER TABLE quarantine ADD COLUMN settled_note TEXT;
    ",
    ),
    M::up(
        "
    -- The next release of the catalogue, while it is being written: one for the house.
    CREATE TABLE pack_draft(one INTEGER PRIMARY KEY CHECK(one = 1), draft TEXT NOT NULL) STRICT;
    ",
    ),
    M::up(
        "
    -- A token that was taken back; and of a node: until when the certificate is good that it showed, and which version it runs.
    ALTER TABLE enrolment ADD COLUMN voided_ms INTEGER;
    ALTER TABLE contact ADD COLUMN until_ms INTEGER;
    ALTER TABLE contact ADD COLUMN version TEXT;
    ",
    ),
    M::up(
        "
    -- Every case of which anything has come, with a number of this node's own. Case numbers are random: rows filed under them lie
    -- strewn over a tree that each commit writes whole; under their own numbers they follow one another.
    CREATE TABLE known_case(id INTEGER PRIMARY KEY, case_no TEXT NOT NULL UNIQUE) STRICT;
    DROP TABLE case_entry;
    CREATE TABLE case_entry(
        case_id INTEGER NOT NULL, pos INTEGER NOT NULL, no INTEGER NOT NULL, term INTEGER NOT NULL,
        verdict TEXT NOT NULL, PRIMARY KEY(case_id, pos)) STRICT, WITHOUT ROWID;
    CREATE INDEX case_entry_held ON case_entry(verdict, case_id) WHERE verdict <> 'applied' AND verdict <> 'slip';
    -- `no` is its known_case.id.
    DROP TABLE dossier;
    CREATE TABLE dossier(
        no INTEGER PRIMARY KEY, case_no TEXT NOT NULL, item TEXT NOT NULL, release INTEGER NOT NULL, origin TEXT NOT NULL,
        holder TEXT NOT NULL, status TEXT NOT NULL, applicant TEXT NOT NULL, captured_ms INTEGER NOT NULL,
        captured_pos INTEGER NOT NULL, submitted_pos INTEGER NOT NULL, pages INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
    CREATE INDEX dossier_status ON dossier(status);
    CREATE INDEX dossier_holder ON dossier(holder);
    CREATE INDEX dossier_unanswered ON dossier(holder, submitted_pos, case_no) WHERE status = 'captured';
    CREATE INDEX dossier_origin ON dossier(origin, captured_pos);
    ",
    ),
];

/// To be raised whenever the same journals fold to other rows: the projections are then built anew when a node is opened.
pub(crate) const PROJECTION_VERSION: u32 = 6;

const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Projections that a rebuild empties. `node` stays: it also holds what enrolment told before the first journal came.
pub(crate) const PROJECTIONS: [&str; 24] = [
    "application",
    "person_case",
    "person_through",
    "trust_bundle",
    "rating",
    "filed",
    "library_ask",
    "licence_state",
    "rectify_step",
    "breach",
    "letter",
    "revocation",
    "seal",
    "alert",
    "task",
    "case_attachment",
    "attachment",
    "dossier",
    "case_entry",
    "known_case",
    "custody",
    "receipt",
    "pack_release",
    "pack_piece",
];

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    MIGRATIONS.to_latest(connection).map_err(|error| {
        let detail = format!("{error}; if the file was written by a newer version, install that version");
        StoreError::Broken { what: "bring the tables up to date", detail }
    })
}

/// The tables as the version before this one had them.
#[cfg(test)]
pub(crate) fn migrate_to_the_last_but_one(connection: &mut Connection) {
    MIGRATIONS.to_version(connection, STEPS.len() - 1).unwrap();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_migrations_are_sound() {
        super::MIGRATIONS.validate().unwrap();
    }
}
