//! `sluice score`: files of events, judged without any service. Streams are merged by event time, then by the order of the arguments,
//! then by line; the clock stands at each event. The same files give the same bytes.

use super::{Out, Outcome, Result};
use crate::cli::Score;
use crate::opened;
use domain::{Error, Micros, Value};
use features::{Engine, MemoryCold};
use scoring::{MemoryIds, Outcome as Scored, Outputs, Plan, Record, Scorer};
use std::io::{BufRead, BufReader};
use std::sync::Arc;

/// Records scored together.
const BATCH: usize = 1024;

/// One file of one stream, read line by line.
struct Reader {
    stream: usize,
    topic: String,
    path: String,
    lines: std::io::Split<BufReader<std::fs::File>>,
    line: i64,
    head: Option<(Micros, i64, Vec<u8>)>,
}

impl Reader {
    /// Reads the next line. One that cannot be decoded stands at the time of the line before, where it will be refused.
    fn advance(&mut self, plan: &Plan, row: &mut Vec<Value>) -> domain::Result<()> {
        let before = self.head.as_ref().map_or(Micros::MIN, |(at, ..)| *at);
        self.head = None;
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

pub fn run(args: &Score) -> Result {
    let opened = opened::open(&args.project)?;
    let plan = &opened.plan;
    let mut readers = Vec::new();
    for (name, path) in &args.events {
        let Some(stream) = plan.streams.iter().position(|s| s.name == *name) else {
            let names: Vec<&str> = plan.streams.iter().map(|s| s.name.as_str()).collect();
            let near = project::nearest(name, names.iter().copied())
                .map_or_else(|| format!("known are: {}", names.join(", ")), |n| format!("did you mean `{n}`?"));
            return Err(Error::stop(format!("there is no stream `{name}`"), near));
        };
        let file = std::fs::File::open(path)
            .map_err(|e| Error::stop(format!("cannot open {}", path.display()), "give a file of JSON lines").because(e))?;
        readers.push(Reader {
            stream,
            topic: plan.streams[stream].topic.to_string(),
            path: path.display().to_string(),
            lines: BufReader::with_capacity(1 << 20, file).split(b'\n'),
            line: 0,
            head: None,
        });
    }
    let mut row = Vec::new();
    for reader in &mut readers {
        reader.advance(plan, &mut row)?;
    }
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut out = Out::new();
    let mut outputs = Outputs::default();
    let mut batch: Vec<(usize, Micros, i64, Vec<u8>)> = Vec::with_capacity(BATCH);
    let (mut sequence, mut refused) = (0u64, 0u64);
    loop {
        let next = readers.iter().enumerate().filter_map(|(i, r)| r.head.as_ref().map(|(at, ..)| (*at, i))).min();
        if let Some((_, i)) = next {
            if let Some((at, line, bytes)) = readers[i].head.clone() {
                batch.push((i, at, line, bytes));
            }
            readers[i].advance(plan, &mut row)?;
        }
        if batch.len() == BATCH || (next.is_none() && !batch.is_empty()) {
            refused += judge(plan, &readers, &mut scorer, &batch, sequence, args.features, &mut outputs, &mut out)?;
            sequence += batch.len() as u64;
            batch.clear();
        }
        if next.is_none() {
            break;
        }
    }
    out.flush()?;
    if refused > 0 {
        eprintln!("{refused} of {sequence} records could not be taken");
    }
    Ok(Outcome::Fine)
}

fn judge(
    plan: &Arc<Plan>,
    readers: &[Reader],
    scorer: &mut Scorer,
    batch: &[(usize, Micros, i64, Vec<u8>)],
    sequence: u64,
    features: bool,
    outputs: &mut Outputs,
    out: &mut Out,
) -> domain::Result<u64> {
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
    for ((reader, _, line, _), outcome) in batch.iter().zip(&outputs.outcomes) {
        match outcome {
            Scored::Decided(decision) => {
                let mut json = decision.to_json();
                if features {
                    json.pop();
                    json.extend_from_slice(b",\"features\":{");
                    for (n, (feature, value)) in plan.features.features.iter().zip(outputs.features.row(decided)).enumerate() {
                        json.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
                        json.extend_from_slice(feature.name.as_bytes());
                        json.extend_from_slice(b"\":");
                        value.write_json(&mut json);
                    }
                    json.extend_from_slice(b"}}");
                }
                decided += 1;
                out.line(&json)?;
            }
            Scored::Rejected(wrong) => {
                refused += 1;
                let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                eprintln!("{}:{line}: {}", readers[*reader].path, wrong.join("; "));
            }
            Scored::Repeated(known) => {
                eprintln!("{}:{line}: repeats the transaction of sequence {}", readers[*reader].path, known.sequence)
            }
            Scored::Absorbed => {}
        }
    }
    Ok(refused)
}
