//! The same way again from the written sequence: after a start, to catch up with it, and to check that it gives the same results.

use crate::entry::Entry;
use crate::run::{MOST_UNDER_WAY, Mark, empty_outputs};
use crate::seams::{Batch, Input, Output, Record, Sink, SnapshotStep, Source, Stage, Taken};
use domain::{Error, Result, TopicPartition};
use rustc_hash::FxHashMap;

/// How often records that the sequence names are asked for before they count as lost.
const FETCH_TRIES: usize = 20;

/// Follows the written sequence from `mark` to its end, giving each entry, its record and its batch's results to `each`. Moves `mark`.
/// `topics` is the number of output topics.
///
/// # Errors
/// Stop where the sequence has a gap or names records that the log no longer holds.
pub fn replay<S: Stage>(
    source: &mut dyn Source,
    sequence: &TopicPartition,
    topics: usize,
    mark: &mut Mark,
    stage: &mut S,
    mut each: impl FnMut(&mut dyn Source, &mut S, &Record, &Entry, Vec<Output>, &Mark) -> Result<()>,
) -> Result<()> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut index: FxHashMap<TopicPartition, usize> = FxHashMap::default();
    // Records read ahead of the entries that name them, per input.
    let mut ahead: Vec<std::collections::VecDeque<Record>> = Vec::new();
    let (_, end) = source.bounds(sequence)?;
    let mut prepare = stage.preparer();
    let mut entries = Vec::new();
    while mark.sequence_offset < end {
        entries.clear();
        source.fetch(sequence, mark.sequence_offset, 1 << 20, &mut entries)?;
        if entries.is_empty() {
            break;
        }
        for record in &entries {
            let entry = Entry::from_json(&record.value, record.offset)?;
            if entry.next() <= mark.sequence {
                // Already in the snapshot: offsets of a cluster's log have gaps, so the mark's may lie a little too low.
                mark.sequence_offset = record.offset + 1;
                continue;
            }
            if entry.first != mark.sequence {
                return Err(Error::stop(
                    format!("the sequence goes on at {} where {} was expected", entry.first, mark.sequence),
                    "the sequence topic and the state do not belong together; restore both from one backup, or remove the state folder to rebuild it from the log",
                ));
            }
            let before = mark.clone();
            let mut taken: Vec<(usize, Record)> = Vec::new();
            for run in &entry.runs {
                let at = run.at();
                let i = *index.entry(at.clone()).or_insert_with(|| {
                    inputs.push(Input { at: at.clone(), rank: crate::seams::Rank::Normal });
                    ahead.push(std::collections::VecDeque::new());
                    inputs.len() - 1
                });
                let mut from = run.first;
                let mut left = run.count;
                while left > 0 {
                    while ahead[i].front().is_some_and(|r| r.offset < from) {
                        ahead[i].pop_front();
                    }
                    if ahead[i].front().is_none_or(|r| r.offset > run.last) {
                        ahead[i].clear();
                        // A cluster may take its time to bring what it holds.
                        for _ in 0..FETCH_TRIES {
                            let mut more = Vec::new();
                            source.fetch(&at, from, 1 << 20, &mut more)?;
                            ahead[i].extend(more);
                            if !ahead[i].is_empty() {
                                break;
                            }
                        }
                    }
                    match ahead[i].pop_front() {
                        Some(r) if r.offset >= from && r.offset <= run.last => {
                            from = r.offset + 1;
                            left -= 1;
                            taken.push((i, r));
                        }
                        _ => {
                            return Err(Error::stop(
                                format!("{at} no longer holds offsets {from} to {} that the sequence names", run.last),
                                "the input's retention passed the scorer; start from a snapshot or restore the topic",
                            ));
                        }
                    }
                }
                mark.position.advance(at, run.last + 1);
            }
            let mut outputs = empty_outputs(topics);
            {
                let records: Vec<Taken<'_>> = taken
                    .iter()
                    .enumerate()
                    .map(|(n, (input, record))| Taken { input: *input, sequence: entry.first + n as u64, record })
                    .collect();
                let batch = Batch { inputs: &inputs, first: entry.first, taken_at: entry.taken_at, mark: &before, records: &records };
                let prepared = prepare(&inputs, &taken);
                S::render(stage.process(&batch, prepared)?, &mut outputs)?;
            }
            mark.sequence = entry.next();
            mark.sequence_offset = record.offset + 1;
            each(source, stage, record, &entry, outputs, mark)?;
        }
    }
    Ok(())
}

/// Brings the stage from its snapshot's mark to the end of the written sequence, and the outputs with it. Returns how many
/// records were processed again.
///
/// Snapshots are taken on the way when they are due: a start that is killed before it is ready leaves the next one less to do, and memory
/// keeps to its budget however much there is to catch up with.
pub fn resume<S: Stage>(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    sequence: &TopicPartition,
    topics: usize,
    mark: &mut Mark,
    stage: &mut S,
) -> Result<u64> {
    sink.recover(never_durable(source, sequence, mark)?)?;
    let from = mark.sequence;
    // What the last entries made may only now be completed, and not be on disk; what is before them is.
    let certain = source.bounds(sequence)?.1 - MOST_UNDER_WAY as i64;
    replay(source, sequence, topics, mark, stage, |_, stage, record, _, outputs, mark| {
        sink.complete(record, outputs)?;
        if record.offset < certain { snapshot_if_due(stage, mark) } else { Ok(()) }
    })?;
    Ok(mark.sequence - from)
}

/// A whole snapshot, if one is due: nobody waits for the stage yet.
fn snapshot_if_due<S: Stage>(stage: &mut S, mark: &Mark) -> Result<()> {
    loop {
        match stage.snapshot(mark, false)? {
            SnapshotStep::NotDue => return Ok(()),
            SnapshotStep::Goes => {}
            SnapshotStep::Write(mut work) => {
                work()?;
                stage.snapshot_done();
                return Ok(());
            }
        }
    }
}

/// The offset of the first entry in the sequence that names records which no longer are, if there is one.
///
/// An entry may reach the disk before the inputs that it names. Nobody has seen it then, nor what was made with it: it goes, and what
/// comes in its inputs' places is sequenced anew. Only the last entries can be such ones.
///
/// # Errors
/// Stop where others miss their records: they were durable once.
fn never_durable(source: &mut dyn Source, sequence: &TopicPartition, mark: &Mark) -> Result<Option<i64>> {
    let (start, end) = source.bounds(sequence)?;
    let under_way = end - MOST_UNDER_WAY as i64;
    let mut from = mark.sequence_offset.max(under_way - MOST_UNDER_WAY as i64).max(start);
    let mut ends: FxHashMap<TopicPartition, i64> = FxHashMap::default();
    let mut entries = Vec::new();
    while from < end {
        entries.clear();
        source.fetch(sequence, from, 1 << 20, &mut entries)?;
        let Some(last) = entries.last() else { break };
        from = last.offset + 1;
        for record in &entries {
            for run in Entry::from_json(&record.value, record.offset)?.runs {
                let at = run.at();
                let held = match ends.get(&at) {
                    Some(held) => *held,
                    None => {
                        let (_, held) = source.bounds(&at)?;
                        ends.insert(at.clone(), held);
                        held
                    }
                };
                if run.last >= held && record.offset < under_way {
                    return Err(Error::stop(
                        format!("{at} ends at offset {held}, and the sequence names offset {}", run.last),
                        "the topic was emptied or replaced; restore it from a backup, or start with an empty data folder",
                    ));
                }
                if run.last >= held {
                    return Ok(Some(record.offset));
                }
            }
        }
    }
    Ok(None)
}
