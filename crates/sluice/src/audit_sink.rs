//! Brings what the control topic says into the store's audit trail: who deployed which version, and who put what on which list. The
//! position is in the same transaction, so each change stands there once, whatever ends the process.

use crate::log::Log;
use crate::topics;
use crate::versions::Control;
use domain::{Kind, Result, TopicPartition};
use pipeline::Record;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{AuditBatch, AuditEntry, AuditLine, Store};

/// Bytes taken at a time.
const STEP_BYTES: usize = 1 << 20;

/// A store that is away now has what was stored as it lies there; the next start goes on from that.
pub fn settled(synced: Result<()>) -> Result<()> {
    synced.or_else(|e| if e.kind == Kind::Retry { Ok(()) } else { Err(e) })
}

/// Runs until `stop` is set and everything that stood in the topic then is stored.
pub fn run(log: &Log, store: &Arc<dyn Store>, stop: &AtomicBool) -> Result<()> {
    let mut source = log.source()?;
    let at = TopicPartition::new(topics::CONTROL, 0);
    // The store's own position; none until it was asked, and after a failure, in which it may have lost its last commits.
    let mut stored = None;
    let mut records = Vec::new();
    let mut back_off = Duration::from_millis(50);
    loop {
        let stopping = stop.load(Ordering::SeqCst);
        records.clear();
        let mut step = || {
            let from = match stored.take() {
                Some(from) => from,
                None => store.positions()?.next(&at),
            };
            source.fetch(&at, from, STEP_BYTES, &mut records)?;
            let Some(last) = records.last() else {
                if stopping {
                    return settled(store.sync()).map(|()| true);
                }
                source.wait(&[(at.clone(), from)], Duration::from_millis(200))?;
                stored = Some(from);
                return Ok(false);
            };
            let (next_offset, lines) = (last.offset + 1, lines(&records)?);
            store.audit_from(&AuditBatch { topic: &at.topic, partition: at.partition, from, next_offset, lines: &lines })?;
            stored = Some(next_offset);
            Ok(false)
        };
        match step() {
            Ok(true) => return Ok(()),
            Ok(false) => back_off = Duration::from_millis(50),
            // It is in the topic; the next start stores it.
            Err(e) if e.kind == Kind::Retry && stopping => return Ok(()),
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, wait_ms = back_off.as_millis() as u64, "the audit trail does not go on now; trying again");
                std::thread::sleep(back_off);
                back_off = (back_off * 2).min(Duration::from_secs(5));
            }
            Err(e) => return Err(e),
        }
    }
}

fn lines(records: &[Record]) -> Result<Vec<AuditLine>> {
    let mut lines = Vec::new();
    for record in records {
        if Control::archived(record).is_some() {
            continue;
        }
        let mut add = |at, who: &str, action: &str, subject: String, detail: String| {
            let entry = AuditEntry { actor: who.to_owned(), action: action.to_owned(), subject, detail };
            lines.push(AuditLine { offset: record.offset, at, entry });
        };
        match Control::read(record)? {
            Control::Project { .. } => {}
            Control::Activate(a) => {
                for of in &a.forget {
                    let subject = format!("{}/{}", of.list, of.key.join(", "));
                    add(a.at, &a.who, "list_overruled", subject, format!("version {} says something else of it", a.digest));
                }
                add(a.at, &a.who, &format!("activate_by_{}", a.by.as_str()), format!("project/{}", a.digest), a.why);
            }
            Control::List(change) => {
                for removal in change.remove {
                    add(change.at, &change.who, "list_remove", format!("{}/{}", change.list, removal.key.join(", ")), removal.why);
                }
                for addition in change.add {
                    let until = addition.until.map_or_else(String::new, |u| format!(" (until {})", domain::time::format(u)));
                    let subject = format!("{}/{}", change.list, addition.key.join(", "));
                    add(change.at, &change.who, "list_add", subject, format!("{}{until}", addition.why));
                }
            }
        }
    }
    Ok(lines)
}
