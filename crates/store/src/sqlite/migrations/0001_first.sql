-- Times are UTC text of fixed width, `2026-11-21 09:30:00.000000`: they sort as text, compare with SQLite's datetime('now', ...),
-- and every tool reads them. Amounts are exact integers in the smallest unit (`amount_minor`, with `amount_divisor` of them in one);
-- `amount` is their quotient, for reading and for sums that need not be exact to the last cent past 15 digits.

CREATE TABLE transactions (
  transaction_id   TEXT PRIMARY KEY NOT NULL,
  account_id       TEXT,
  transaction_type TEXT,
  amount_minor     INTEGER,
  amount_divisor   INTEGER,
  amount           REAL GENERATED ALWAYS AS (amount_minor * 1.0 / amount_divisor) VIRTUAL,
  timestamp        TEXT NOT NULL,     -- event time
  processed_at     TEXT NOT NULL,     -- when the scorer took it
  sequence         INTEGER NOT NULL
);
-- With the sequence behind the account, the pages of one account need no sort.
CREATE INDEX transactions_account ON transactions (account_id, sequence);
CREATE INDEX transactions_timestamp ON transactions (timestamp);

-- Keyed by the sequence, so rows are appended and pages of them need no index. An index on transaction_id would be a second random
-- write a decision for what `transactions` already finds: join on `sequence`.
CREATE TABLE predictions (
  sequence        INTEGER PRIMARY KEY,
  transaction_id  TEXT NOT NULL,
  predicted_fraud INTEGER NOT NULL CHECK (predicted_fraud IN (0, 1)),   -- 1: the decision is review or block
  decision        TEXT NOT NULL,
  score           REAL NOT NULL,
  project         TEXT NOT NULL,      -- digest of the project it was made with
  model           TEXT,
  created_at      TEXT NOT NULL,      -- when the scorer took it: the same log gives the same rows
  document        TEXT NOT NULL       -- the whole decision, JSON
);
-- Counting by day and outcome reads this index alone, never the documents.
CREATE INDEX predictions_created ON predictions (created_at, predicted_fraud);
CREATE INDEX predictions_fraud ON predictions (decision) WHERE predicted_fraud = 1;

CREATE TABLE alerts (
  alert_id       TEXT PRIMARY KEY NOT NULL,
  transaction_id TEXT NOT NULL REFERENCES transactions (transaction_id),
  account_id     TEXT,
  alert_type     TEXT NOT NULL,       -- the rule
  alert_message  TEXT NOT NULL,
  severity       TEXT NOT NULL,
  decision       TEXT NOT NULL,
  score          REAL NOT NULL,
  sequence       INTEGER NOT NULL,
  ordinal        INTEGER NOT NULL,    -- place among the alerts of its decision
  created_at     TEXT NOT NULL,
  document       TEXT NOT NULL        -- the whole alert, JSON
);
CREATE INDEX alerts_sequence ON alerts (sequence, ordinal);
CREATE INDEX alerts_transaction ON alerts (transaction_id);
CREATE INDEX alerts_account ON alerts (account_id, sequence, ordinal);
CREATE INDEX alerts_type ON alerts (alert_type, sequence, ordinal);
CREATE INDEX alerts_severity ON alerts (severity, sequence, ordinal);

CREATE VIEW fraud_transaction AS
  SELECT t.transaction_id, t.account_id, t.transaction_type, t.amount, t.timestamp, t.processed_at,
         p.predicted_fraud, p.decision, p.score, p.sequence, p.created_at
  FROM transactions t JOIN predictions p ON p.sequence = t.sequence AND p.transaction_id = t.transaction_id
  WHERE p.predicted_fraud = 1;

CREATE VIEW genuine_transaction AS
  SELECT t.transaction_id, t.account_id, t.transaction_type, t.amount, t.timestamp, t.processed_at,
         p.predicted_fraud, p.decision, p.score, p.sequence, p.created_at
  FROM transactions t JOIN predictions p ON p.sequence = t.sequence AND p.transaction_id = t.transaction_id
  WHERE p.predicted_fraud = 0;

CREATE TABLE dead_letters (
  id          INTEGER PRIMARY KEY,    -- grows, so pages are stable
  topic       TEXT NOT NULL,          -- where the record itself stands
  "partition" INTEGER NOT NULL,
  "offset"    INTEGER NOT NULL,
  code        TEXT NOT NULL,          -- of the first thing that was wrong
  reason      TEXT NOT NULL,          -- all that was wrong, for reading
  errors      TEXT NOT NULL,          -- the same as JSON: [{code, field, reason}]
  raw         BLOB NOT NULL,
  at          TEXT NOT NULL,
  UNIQUE (topic, "partition", "offset")
);

CREATE TABLE positions (
  sink        TEXT NOT NULL,
  topic       TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY (sink, topic, "partition")
) WITHOUT ROWID;

-- Kept with every commit, so a status page need not count rows.
CREATE TABLE totals (
  name  TEXT PRIMARY KEY NOT NULL,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
  name          TEXT PRIMARY KEY NOT NULL,
  password_hash TEXT NOT NULL,        -- argon2, PHC string
  role          TEXT NOT NULL,
  created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) WITHOUT ROWID;

CREATE TABLE secrets (
  name       TEXT PRIMARY KEY NOT NULL,
  value      BLOB NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) WITHOUT ROWID;

CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL
);
