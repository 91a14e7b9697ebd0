//! The scorer as a stage of the pipeline: control records change what judges, events are judged (what is written of them: `results.rs`),
//! and snapshots keep a restart short.

use crate::controller::Ready;
use crate::dead_letter::DeadLetter;
use crate::disk::Disk;
use crate::log::Log;
use crate::results::{Answers, Part, Results, Spent};
use crate::topics;
use crate::versions::{Archive, Control};
use domain::{Error, Position, Result, Text, TopicPartition};
use features::Engine;
use parking_lot::Mutex;
use pipeline::{Batch, Input, Mark, Output, Preparer, SnapshotStep, Stage};
use rules::ListState;
use scoring::{Decoded, Outcome, Phase, Plan, Record, Scorer};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Metrics;

/// Between two batches a snapshot is taken this many entities at a time, until it has cost this long.
const SNAPSHOT_STEP: usize = 16;
const SNAPSHOT_PAUSE: Duration = Duration::from_micros(400);

/// What a judge is made of.
pub struct Setup {
    /// The version to judge with until the control topic says otherwise.
    pub plan: Arc<Plan>,
    /// Versions that are compiled already.
    pub ready: Ready,
    /// Where state is kept; without it in memory alone, from the beginning of the log.
    pub state: Option<PathBuf>,
    /// Bytes.
    pub state_memory: usize,
    /// How often a snapshot is begun while records come.
    pub snapshot_every: Duration,
    pub metrics: Arc<Metrics>,
    /// The control topic: archived versions, and what became of lists.
    pub archive: Archive,
    /// Whose retention must not pass the snapshots.
    pub log: Option<Log>,
}

/// What the outside may see of the state.
#[derive(Debug, Default)]
pub struct Kept {
    pub stats: Mutex<features::Stats>,
    /// The last snapshot that was written.
    pub snapshot: Mutex<Option<Written>>,
}

/// A snapshot on disk.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub sequence: u64,
    pub at: Instant,
    pub took: Duration,
}

/// A snapshot's own place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Meta {
    sequence: u64,
    sequence_offset: i64,
    position: Vec<(String, i32, i64)>,
    digest: Text,
    decided: u64,
}

impl Meta {
    fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::bug("a snapshot's place does not serialise").because(e))
    }

    /// Input topics keep what a start from this snapshot would read.
    fn set_floors(&self, log: Option<&Log>) -> Result<()> {
        let Some(log) = log else { return Ok(()) };
        for (topic, partition, next) in &self.position {
            log.set_floor(topic, *partition, "scorer", Some(*next))?;
        }
        Ok(())
    }

    fn mark(&self) -> Mark {
        let position = self.position.iter().map(|(topic, partition, next)| (TopicPartition::new(topic.clone(), *partition), *next));
        Mark { sequence: self.sequence, sequence_offset: self.sequence_offset, position: Position(position.collect()) }
    }
}

pub struct Judge {
    scorer: Scorer,
    disk: Disk,
    metrics: Arc<Metrics>,
    archive: Archive,
    ready: Ready,
    memory: usize,
    log: Option<Log>,
    kept: Arc<Kept>,
    snapshot_every: Duration,
    snapshot_at: Instant,
    snapshot_sequence: u64,
    taking: Option<(Meta, Instant)>,
    written: Option<u32>,
    routes: Routes,
    /// The version that judges, for who reads records ahead.
    current: Arc<Mutex<Arc<Plan>>>,
    spent: Spent,
}

impl Judge {
    /// Opens the state, if any, and tells where it stands.
    pub fn open(setup: Setup) -> Result<(Self, Mark)> {
        let disk = match &setup.state {
            Some(dir) => Disk::open(dir)?,
            None => Disk::in_memory(),
        };
        let last = disk.last()?;
        let meta: Option<Meta> = match last.as_ref().map(|m| &m.extra) {
            Some(bytes) => Some(serde_json::from_slice(bytes).map_err(|e| {
                Error::stop("the state's place cannot be read", "remove the state folder: it is rebuilt from the log").because(e)
            })?),
            None => None,
        };
        let mut archive = setup.archive;
        let mut lists = ListState::new(&[]);
        let mark = meta.as_ref().map_or_else(Mark::default, Meta::mark);
        let below = mark.position.next(&TopicPartition::new(topics::CONTROL, 0));
        archive.read_on(|offset, control| {
            // What stands behind the snapshot comes again in its place.
            if offset < below {
                control.change_lists(&mut lists);
            }
            Ok(())
        })?;
        // The tail behind the snapshot is followed with the version that made it.
        let plan = match &meta {
            Some(meta) if meta.digest != setup.plan.digest => archive.load(&meta.digest)?.plan,
            _ => setup.plan,
        };
        lists.rebase(&plan.lists);
        disk.keep_ids_for(plan.features.retention());
        let mut judge = Self {
            scorer: Scorer::new(
                plan.clone(),
                Engine::new(plan.features.clone(), disk.cold(), setup.state_memory)?,
                disk.ids(),
                meta.as_ref().map_or(0, |m| m.decided),
            ),
            disk,
            metrics: setup.metrics,
            archive,
            ready: setup.ready,
            memory: setup.state_memory,
            log: setup.log,
            kept: Arc::default(),
            snapshot_every: setup.snapshot_every,
            snapshot_at: Instant::now(),
            snapshot_sequence: 0,
            taking: None,
            written: None,
            routes: Routes::default(),
            current: Arc::new(Mutex::new(plan)),
            spent: Spent::default(),
        };
        *judge.scorer.lists() = lists;
        if let Some(meta) = &meta {
            if let Some(last) = &last {
                judge.scorer.engine().restore(last.sequence, &last.engine)?;
            }
            meta.set_floors(judge.log.as_ref())?;
        }
        Ok((judge, mark))
    }

    pub fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }

    fn control(&mut self, record: &pipeline::Record, mark: &Mark) -> Result<()> {
        if let Some(digest) = Control::archived(record) {
            self.archive.note(digest, record.offset);
            return Ok(());
        }
        let control = Control::read(record)?;
        control.change_lists(self.scorer.lists());
        if let Control::Activate(activation) = control
            && self.scorer.plan().digest != activation.digest
        {
            let plan = match self.ready.find(&activation.digest) {
                Some(plan) => plan,
                None => self.archive.load(&activation.digest)?.plan,
            };
            self.activate(plan, mark)?;
        }
        Ok(())
    }

    /// Another version judges from here on. Groups of windows that it defines alike keep their state; others begin anew.
    fn activate(&mut self, plan: Arc<Plan>, mark: &Mark) -> Result<()> {
        if self.scorer.plan().same_features(&plan) {
            return self.scorer.activate(plan);
        }
        // Through the disk: what the present engine holds is written, and the next one finds its groups there. A change stands in a
        // batch of its own, so the state is the one at the batch's mark.
        self.taking = None;
        let meta = self.place(mark);
        let snapshot = self.scorer.engine().snapshot();
        self.disk.begin();
        self.disk.commit(&snapshot, &meta.to_json()?)?;
        let has = |plan: &Plan, group| plan.features.groups.iter().any(|g| g.digest == group);
        let before = self.scorer.plan().clone();
        for group in before.features.groups.iter().filter(|g| !has(&plan, g.digest)) {
            self.disk.clear(group.digest)?;
        }
        let new: Vec<&str> = plan
            .features
            .features
            .iter()
            .filter(|f| f.group.is_some_and(|g| !has(&before, plan.features.groups[g].digest)))
            .map(|f| f.name.as_str())
            .collect();
        if !new.is_empty() && mark.sequence > 1 {
            tracing::warn!(features = new.join(", "), "these features are new or changed: they begin without history");
        }
        self.disk.keep_ids_for(plan.features.retention());
        let mut engine = Engine::new(plan.features.clone(), self.disk.cold(), self.memory)?;
        engine.restore(snapshot.sequence, &snapshot.meta)?;
        self.scorer.activate_with(plan, engine);
        Ok(())
    }

    /// Where a snapshot taken now stands.
    fn place(&self, mark: &Mark) -> Meta {
        Meta {
            sequence: mark.sequence,
            sequence_offset: mark.sequence_offset,
            position: mark.position.0.iter().map(|(at, next)| (at.topic.clone(), at.partition, *next)).collect(),
            digest: self.scorer.plan().digest.clone(),
            decided: self.scorer.decided(),
        }
    }

    fn flush(&mut self, records: &mut Vec<(Record<'_>, bool)>, decoded: &mut Decoded) -> Result<Option<Part>> {
        if records.is_empty() {
            return Ok(None);
        }
        let mut out = self.spent.outputs();
        let batch: Vec<Record<'_>> = records.iter().map(|(r, _)| *r).collect();
        let stages = &self.metrics.stages;
        let mut begun = Instant::now();
        self.scorer.score_decoded(&batch, decoded, &mut out, &mut |phase| {
            match phase {
                // Done ahead; what is left of it is the memory of ids.
                Phase::Decode => {}
                Phase::Features => stages.features.observe(begun.elapsed().as_secs_f64()),
                Phase::Rules => stages.rules.observe(begun.elapsed().as_secs_f64()),
            }
            begun = Instant::now();
        })?;
        let plan = self.scorer.plan();
        for same in batch.chunk_by(|a, b| a.stream == b.stream) {
            self.metrics.taken(&plan.streams[same[0].stream].name, same.len() as u64);
        }
        let letters = batch.iter().zip(&out.outcomes).filter_map(|(record, outcome)| match outcome {
            Outcome::Rejected(errors) => Some(DeadLetter::of(record, errors.clone())),
            _ => None,
        });
        let part = Part {
            letters: letters.collect(),
            waited_for: records.iter().map(|(record, urgent)| urgent.then_some(record.offset)).collect(),
            digest: plan.digest.clone(),
            out,
        };
        records.clear();
        Ok(Some(part))
    }
}

impl Stage for Judge {
    type Prepared = Decoded;
    type Results = Results;
    type Answers = Answers;

    fn preparer(&self) -> Preparer<Decoded> {
        let (current, spent, metrics) = (self.current.clone(), self.spent.clone(), self.metrics.clone());
        let mut routes = Routes::default();
        Box::new(move |inputs, records| {
            let begun = Instant::now();
            let plan = current.lock().clone();
            let mut decoded = spent.decoded();
            let routed = records.iter().filter_map(|(input, record)| Some((routes.stream(&plan, inputs, *input)?, &record.value[..])));
            decoded.decode(&plan, routed);
            metrics.stages.decode.observe(begun.elapsed().as_secs_f64());
            decoded
        })
    }

    fn process(&mut self, batch: &Batch<'_>, mut decoded: Decoded) -> Result<Results> {
        let mut results = Results::new(self.metrics.clone(), self.spent.clone());
        let mut records: Vec<(Record<'_>, bool)> = Vec::with_capacity(batch.records.len());
        for taken in batch.records {
            let at = &batch.inputs[taken.input].at;
            if at.topic == topics::CONTROL {
                results.parts.extend(self.flush(&mut records, &mut decoded)?);
                self.control(taken.record, batch.mark)?;
                results.control = Some((taken.record.offset, taken.sequence));
                *self.current.lock() = self.scorer.plan().clone();
                continue;
            }
            let Some(stream) = self.routes.stream(self.scorer.plan(), batch.inputs, taken.input) else { continue };
            let urgent = batch.inputs[taken.input].rank == pipeline::Rank::Urgent;
            let record = Record {
                stream,
                topic: &at.topic,
                partition: at.partition,
                offset: taken.record.offset,
                sequence: taken.sequence,
                taken_at: batch.taken_at,
                value: &taken.record.value,
            };
            records.push((record, urgent));
        }
        results.parts.extend(self.flush(&mut records, &mut decoded)?);
        self.spent.give_decoded(decoded);
        Ok(results)
    }

    fn render(results: Results, outputs: &mut [Output]) -> Result<Answers> {
        results.render(outputs)
    }

    fn snapshot(&mut self, mark: &Mark, force: bool) -> Result<SnapshotStep> {
        if !self.disk.is_durable() {
            return Ok(SnapshotStep::NotDue);
        }
        if force && self.taking.is_some() {
            // One is half taken: it is finished and kept, so that the last one holds what came since.
            let snapshot = self.scorer.engine().snapshot();
            if let Some((meta, _)) = self.taking.take() {
                self.disk.commit(&snapshot, &meta.to_json()?)?;
                self.scorer.engine().snapshot_done(snapshot.id);
            }
        }
        if self.taking.is_none() {
            let engine = self.scorer.engine();
            let due = force
                || (self.snapshot_at.elapsed() >= self.snapshot_every && engine.sequence() != self.snapshot_sequence)
                || engine.is_over_budget();
            if !due || !engine.begin_snapshot() {
                return Ok(SnapshotStep::NotDue);
            }
            self.snapshot_sequence = engine.sequence();
            *self.kept.stats.lock() = engine.stats();
            self.disk.begin();
            self.taking = Some((self.place(mark), Instant::now()));
        }
        let engine = self.scorer.engine();
        let step_begun = Instant::now();
        let snapshot = if force {
            Some(engine.snapshot())
        } else {
            loop {
                let taken = engine.step_snapshot(SNAPSHOT_STEP);
                if taken.is_some() || step_begun.elapsed() >= SNAPSHOT_PAUSE {
                    break taken;
                }
            }
        };
        let Some(snapshot) = snapshot else { return Ok(SnapshotStep::Goes) };
        let Some((meta, begun)) = self.taking.take() else { return Ok(SnapshotStep::NotDue) };
        self.written = Some(snapshot.id);
        self.snapshot_at = Instant::now();
        let (disk, metrics, log, kept) = (self.disk.clone(), self.metrics.clone(), self.log.clone(), self.kept.clone());
        let mut written = false;
        Ok(SnapshotStep::Write(Box::new(move || {
            if !written {
                disk.commit(&snapshot, &meta.to_json()?)?;
                written = true;
                metrics.state.snapshot_seconds.observe(begun.elapsed().as_secs_f64());
                *kept.snapshot.lock() = Some(Written { sequence: meta.sequence, at: Instant::now(), took: begun.elapsed() });
            }
            // Only now may the inputs forget what the snapshot before would have needed.
            meta.set_floors(log.as_ref())
        })))
    }

    fn snapshot_done(&mut self) {
        if let Some(id) = self.written.take() {
            self.scorer.engine().snapshot_done(id);
            self.scorer.engine().evict();
            *self.kept.stats.lock() = self.scorer.engine().stats();
        }
    }
}

/// Which stream an input carries, looked up once for each version and each set of inputs.
#[derive(Default)]
struct Routes {
    of: Option<Arc<Plan>>,
    streams: Vec<Option<usize>>,
}

impl Routes {
    /// None for control, and for a topic that a version before read and this one does not.
    fn stream(&mut self, plan: &Arc<Plan>, inputs: &[Input], input: usize) -> Option<usize> {
        if self.streams.len() != inputs.len() || !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, plan)) {
            self.streams = inputs.iter().map(|i| stream_of(plan, &i.at.topic)).collect();
            self.of = Some(plan.clone());
        }
        self.streams[input]
    }
}

fn stream_of(plan: &Plan, topic: &str) -> Option<usize> {
    plan.stream_of(topic).or_else(|| (topic == topics::predict(&plan.judged().topic)).then_some(plan.judged))
}
