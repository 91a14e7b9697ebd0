//! What an operator asks for: how much there is, removing what is too old, and giving space back.

use super::error::Failure;
use super::rows::Time;
use super::{migrate, read, write};
use crate::maintenance::{Description, Removed};
use crate::words::STORE_SINK;
use domain::{Micros, TopicPartition, time};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// Those that grow, and are worth a vacuum.
const TABLES: [&str; 6] = ["transactions", "predictions", "alerts", "dead_letters", "positions", "totals"];

/// One batch in one transaction. It locks the rows that go and, for its last moment, the totals: readers see the state before or after,
/// and the writer waits for no more than that.
pub(super) async fn remove_before(client: &mut Client, before: Micros, most: usize) -> Result<Removed, Failure> {
    let (before, most) = (Time(before), most as i64);
    let tx = client.transaction().await?;
    let old = tx
        .query_typed(
            "SELECT sequence, transaction_id, decision FROM predictions WHERE created_at < $1 ORDER BY created_at LIMIT $2",
            &[(&before, Type::TIMESTAMPTZ), (&most, Type::INT8)],
        )
        .await?;
    let (mut sequences, mut ids, mut by_action) = (Vec::new(), Vec::new(), [0i64; 3]);
    for row in &old {
        sequences.push(row.try_get::<_, i64>(0)?);
        ids.push(row.try_get::<_, &str>(1)?);
        by_action[match row.try_get(2)? {
            "allow" => 0,
            "review" => 1,
            _ => 2,
        }] -= 1;
    }
    let mut removed = Removed { decisions: ids.len() as u64, ..Removed::default() };
    if !ids.is_empty() {
        let ids = [(&ids as _, Type::TEXT_ARRAY)];
        removed.alerts = tx.execute_typed("DELETE FROM alerts WHERE transaction_id = ANY($1)", &ids).await?;
        tx.execute_typed("DELETE FROM predictions WHERE sequence = ANY($1)", &[(&sequences, Type::INT8_ARRAY)]).await?;
        tx.execute_typed("DELETE FROM transactions WHERE transaction_id = ANY($1)", &ids).await?;
    }
    removed.dead_letters = tx
        .execute_typed(
            "DELETE FROM dead_letters WHERE id = ANY(ARRAY(SELECT id FROM dead_letters WHERE at < $1 ORDER BY at LIMIT $2))",
            &[(&before, Type::TIMESTAMPTZ), (&most, Type::INT8)],
        )
        .await?;
    let [allow, review, block] = by_action;
    write::add_totals(&tx, [allow, review, block, -(removed.alerts as i64), -(removed.dead_letters as i64)]).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Also of a store whose tables are older than this release, or missing.
pub(super) async fn describe(client: &mut Client, address: &str) -> Result<Description, Failure> {
    let tx = client.build_transaction().read_only(true).start().await?;
    let seen = migrate::seen(&tx).await?;
    let row = tx
        .query_typed_one(
            "SELECT current_setting('server_version'), COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint
             FROM pg_class WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
            &[],
        )
        .await?;
    let mut description = Description {
        backend: format!("PostgreSQL {}", row.try_get::<_, &str>(0)?),
        place: address.to_owned(),
        schema_version: seen,
        known_version: migrate::known(),
        size_bytes: row.try_get::<_, i64>(1)?.unsigned_abs(),
        ..Description::default()
    };
    if seen > 0 {
        let oldest = tx.query_typed_one("SELECT MIN(created_at) FROM predictions", &[]).await?;
        description.oldest_prediction = oldest.try_get::<_, Option<Time>>(0)?.map(|at| time::format(at.0));
        let sql = "SELECT topic, \"partition\", next_offset FROM positions WHERE sink = $1 ORDER BY topic, \"partition\"";
        for row in tx.query_typed(sql, &[(&STORE_SINK, Type::TEXT)]).await? {
            let at = TopicPartition::new(row.try_get::<_, String>(0)?, row.try_get(1)?);
            description.positions.push((at, row.try_get(2)?));
        }
    }
    tx.rollback().await?;
    if seen > 0 {
        description.totals = read::totals(client).await?;
    }
    Ok(description)
}

/// Makes the space of removed rows free for new ones and refreshes what the planner knows; readers and writers go on meanwhile.
pub(super) async fn vacuum(client: &mut Client) -> Result<(), Failure> {
    for table in TABLES {
        client.batch_execute(&format!("VACUUM (ANALYZE) {table}")).await?;
    }
    Ok(())
}
