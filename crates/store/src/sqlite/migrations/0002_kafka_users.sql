-- Who may speak to the embedded broker. No password stands here: SCRAM needs only what is derived from one.
CREATE TABLE kafka_users (
  name          TEXT PRIMARY KEY NOT NULL,
  scram_sha_256 TEXT NOT NULL,        -- SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>, as PostgreSQL writes it
  scram_sha_512 TEXT NOT NULL,
  grants        TEXT NOT NULL,        -- JSON: what the user may do, as `sluice users add` was told
  created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  updated_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
) WITHOUT ROWID;
