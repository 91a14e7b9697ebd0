//! Files of events, judged without any service, for `score` and `backtest`. Streams are merged by event time, then by the order of
//! the files, then by line; the clock stands at each event.

use domain::{Decision, Error, Micros, Result, Value};
use features::{Engine, MemoryCold};
use scoring::{MemoryIds, Outcome, Outputs, Plan, Record, Scorer};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records scored together.
const BATCH: usize = 1024;

/// The files named, and those of the folders named. Of records at the same time the judged one comes first in a folder: what is known when
/// a payment comes does not hold the payment yet.
pub fn of(plan: &Plan, events: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for event in events {
        if let Some((stream, file)) = event.split_once('=') {
            files.push((stream.to_owned(), PathBuf::from(file)));
            continue;
        }
        let dir = Path::new(event);
        let mut found: Vec<(bool, String, PathBuf)> = plan
            .streams
            .iter()
            .enumerate()
            .map(|(at, stream)| (at != plan.judged, stream.name.to_string(), dir.join(format!("{}.jsonl", stream.name))))
            .filter(|(.., path)| path.exists())
            .collect();
        if found.is_empty() {
            let hint = "write STREAM=FILE, or name a folder of STREAM.jsonl files, as `sluice simulate --to DIR` makes it";
            return Err(Error::stop(format!("`{event}` holds no stream of this project"), hint));
        }
        found.sort();
        files.extend(found.into_iter().map(|(_, stream, path)| (stream, path)));
    }
    Ok(files)
}

/// One file of one stream, read line by line.
struct Reader {
    stream: usize,
    topic: String,
    path: String,
    lines: std::io::Split<BufReader<std::fs::File>>,
    line: i64,
    head: Option<(Micros, i64, Vec<u8>)>,
    /// Time of the line before.
    last: Micros,
}

impl Reader {
    fn open(plan: &Plan, name: &str, path: &Path) -> Result<Self> {
        let Some(stream) = plan.streams.iter().position(|s| s.name == name) else {
            let names: Vec<&str> = plan.streams.iter().map(|s| s.name.as_str()).collect();
            let near = project::nearest(name, names.iter().copied())
                .map_or_else(|| format!("known are: {}", names.join(", ")), |n| format!("did you mean `{n}`?"));
            return Err(Error::stop(format!("there is no stream `{name}`"), near));
        };
        let file = std::fs::File::open(path)
            .map_err(|e| Error::stop(format!("cannot open {}", path.display()), "give a file of JSON lines").because(e))?;
        Ok(Self {
            stream,
            topic: plan.streams[stream].topic.to_string(),
            path: path.display().to_string(),
            lines: BufReader::with_capacity(1 << 20, file).split(b'\n'),
            line: 0,
            head: None,
            last: Micros::MIN,
        })
    }

    /// Reads the next line. One that cannot be decoded stands at the time of the line before, where it will be refused.
    fn advance(&mut self, plan: &Plan, row: &mut Vec<Value>) -> Result<()> {
        let before = self.last;
        for bytes in self.lines.by_ref() {
            let bytes = bytes.map_err(|e| Error::stop(format!("cannot read {}", self.path), "check the file").because(e))?;
            self.line += 1;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let at = match plan.decoders[self.stream].decode(&bytes, row) {
                Ok(_) => match row[plan.streams[self.stream].event_time] {
                    Value::Timestamp(t) => t,
                    _ => before,
                },
                Err(_) => before,
            };
            self.head = Some((at, self.line, bytes));
            break;
        }
        Ok(())
    }
}

/// How many records there were, and how many of them could not be taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub records: u64,
    pub refused: u64,
}

/// What `judge` tells while it goes.
pub trait Watcher {
    /// A transaction was judged. `features` are those of the plan, in its order; `record` is the event as it stands in the file.
    fn decided(&mut self, decision: &Decision, features: &[Value], record: &[u8]) -> Result<()>;
    /// A record was not taken; `place` is file and line.
    fn refused(&mut self, place: &str, why: &str);
    /// So many bytes have been read in all.
    fn read(&mut self, _bytes: u64) {}
}

/// Judges the records of (stream, file) pairs, in one order, from nothing.
///
/// # Errors
/// Stop: an unknown stream, or a file that cannot be read; and what the watcher gives.
pub fn judge(plan: &Arc<Plan>, files: &[(String, PathBuf)], watcher: &mut dyn Watcher) -> Result<Counts> {
    let mut readers = files.iter().map(|(stream, path)| Reader::open(plan, stream, path)).collect::<Result<Vec<_>>>()?;
    let mut row = Vec::new();
    for reader in &mut readers {
        reader.advance(plan, &mut row)?;
    }
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut outputs = Outputs::default();
    let mut batch: Vec<(usize, Micros, i64, Vec<u8>)> = Vec::with_capacity(BATCH);
    let (mut counts, mut bytes) = (Counts::default(), 0);
    loop {
        let next = readers.iter().enumerate().filter_map(|(i, r)| r.head.as_ref().map(|(at, ..)| (*at, i))).min();
        if let Some((_, i)) = next {
            if let Some((at, line, record)) = readers[i].head.take() {
                bytes += record.len() as u64 + 1;
                readers[i].last = at;
                batch.push((i, at, line, record));
            }
            readers[i].advance(plan, &mut row)?;
        }
        if batch.len() == BATCH || (next.is_none() && !batch.is_empty()) {
            counts.refused += judge_batch(&readers, &mut scorer, &batch, counts.records, &mut outputs, watcher)?;
            counts.records += batch.len() as u64;
            watcher.read(bytes);
            batch.clear();
        }
        if next.is_none() {
            return Ok(counts);
        }
    }
}

fn judge_batch(
    readers: &[Reader],
    scorer: &mut Scorer,
    batch: &[(usize, Micros, i64, Vec<u8>)],
    sequence: u64,
    outputs: &mut Outputs,
    watcher: &mut dyn Watcher,
) -> Result<u64> {
    let records: Vec<Record<'_>> = batch
        .iter()
        .enumerate()
        .map(|(n, (reader, at, line, bytes))| Record {
            stream: readers[*reader].stream,
            topic: &readers[*reader].topic,
            partition: 0,
            offset: *line,
            sequence: sequence + n as u64,
            taken_at: *at,
            value: bytes,
        })
        .collect();
    scorer.score(&records, outputs)?;
    let (mut decided, mut refused) = (0, 0);
    for ((reader, _, line, record), outcome) in batch.iter().zip(&outputs.outcomes) {
        let place = || format!("{}:{line}", readers[*reader].path);
        match outcome {
            Outcome::Decided(decision) => {
                watcher.decided(decision, outputs.features.row(decided), record)?;
                decided += 1;
            }
            Outcome::Rejected(wrong) => {
                refused += 1;
                let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                watcher.refused(&place(), &wrong.join("; "));
            }
            Outcome::Repeated(known) => watcher.refused(&place(), &format!("repeats the transaction of sequence {}", known.sequence)),
            Outcome::Absorbed => {}
        }
    }
    Ok(refused)
}
