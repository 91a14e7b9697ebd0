-- The tables of the embedded store, under the same names. Times are timestamptz, amounts numeric (digit for digit, with the scale they
-- came with). Documents are json, not jsonb: they come back byte for byte as their topic holds them, and no payment can hold a character
-- that jsonb refuses. `document::jsonb` has all of jsonb's operators.

CREATE TABLE transactions (
  transaction_id   text PRIMARY KEY,
  account_id       text,
  transaction_type text,
  amount           numeric,
  timestamp        timestamptz NOT NULL,     -- event time
  processed_at     timestamptz NOT NULL,     -- when the scorer took it
  sequence         bigint NOT NULL
);
-- With the sequence behind the account, the pages of one account need no sort.
CREATE INDEX transactions_account ON transactions (account_id, sequence);
CREATE INDEX transactions_timestamp ON transactions (timestamp);

-- Keyed by the sequence, so rows are appended. An index on transaction_id would be a second random write a decision for what
-- `transactions` already finds: join on `sequence`.
CREATE TABLE predictions (
  sequence        bigint PRIMARY KEY,
  transaction_id  text NOT NULL,
  predicted_fraud smallint NOT NULL CHECK (predicted_fraud IN (0, 1)),   -- 1: the decision is review or block
  decision        text NOT NULL,
  score           double precision NOT NULL,
  project         text NOT NULL,             -- digest of the project it was made with
  model           text,
  created_at      timestamptz NOT NULL,      -- when the scorer took it: the same log gives the same rows
  document        json NOT NULL              -- the whole decision
);
-- Counting by day and outcome reads this index alone, never the documents; what is too old is found by it.
CREATE INDEX predictions_created ON predictions (created_at, predicted_fraud);
CREATE INDEX predictions_fraud ON predictions (decision, sequence) WHERE predicted_fraud = 1;

CREATE TABLE alerts (
  alert_id       text PRIMARY KEY,
  transaction_id text NOT NULL REFERENCES transactions (transaction_id),
  account_id     text,
  alert_type     text NOT NULL,              -- the rule
  alert_message  text NOT NULL,
  severity       text NOT NULL,
  decision       text NOT NULL,
  score          double precision NOT NULL,
  sequence       bigint NOT NULL,
  ordinal        bigint NOT NULL,            -- place among the alerts of its decision
  created_at     timestamptz NOT NULL,
  document       json NOT NULL               -- the whole alert
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
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- grows, so pages are stable
  topic       text NOT NULL,                 -- where the record itself stands
  "partition" integer NOT NULL,
  "offset"    bigint NOT NULL,
  code        text NOT NULL,                 -- of the first thing that was wrong
  reason      text NOT NULL,                 -- all that was wrong, for reading
  errors      json NOT NULL,                 -- the same: [{code, field, reason}]
  raw         bytea NOT NULL,
  at          timestamptz NOT NULL,
  UNIQUE (topic, "partition", "offset")
);
CREATE INDEX dead_letters_at ON dead_letters (at);

CREATE TABLE positions (
  sink        text NOT NULL,
  topic       text NOT NULL,
  "partition" integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (sink, topic, "partition")
);

-- Kept with every commit, so a status page need not count rows.
CREATE TABLE totals (
  name  text PRIMARY KEY,
  value bigint NOT NULL
);

CREATE TABLE users (
  name          text PRIMARY KEY,
  password_hash text NOT NULL,               -- argon2, PHC string
  role          text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Who may speak to the embedded broker. No password stands here: SCRAM needs only what is derived from one.
CREATE TABLE kafka_users (
  name          text PRIMARY KEY,
  scram_sha_256 text NOT NULL,               -- SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>, as PostgreSQL writes it
  scram_sha_512 text NOT NULL,
  grants        text NOT NULL,               -- JSON: what the user may do
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE secrets (
  name       text PRIMARY KEY,
  value      bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL DEFAULT now(),
  actor   text NOT NULL,
  action  text NOT NULL,
  subject text NOT NULL,
  detail  text NOT NULL
);
