//! One round: reads what is new until there is enough or enough time has passed, then commits each table it belongs to, and the sequence
//! last.

use super::follow::{Runs, begin};
use super::tables::Tables;
use super::{Landed, OUTPUTS, READER, Setup, convert};
use crate::log::Log;
use crate::topics;
use domain::{Error, Result, TopicPartition, Value};
use lake::{Appended, Move, TableName};
use pipeline::{Entry, Source};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use telemetry::Metrics;

/// However long commits take, records are gathered this long: a lake that is slow gets larger files, not more of them.
const LEAST_GATHERED: Duration = Duration::from_millis(100);

/// Bytes of rows in memory, after which a round is full: the bound of what the lake may take.
const BUDGET: usize = 24 << 20;

/// Bytes taken from each topic at a time.
const STEP_BYTES: usize = 1 << 20;

/// Entries of the sequence are small and name many records.
const SEQUENCE_BYTES: usize = 64 << 10;

/// How often the log is told what it may forget.
const FLOOR_EVERY: Duration = Duration::from_secs(10);

/// What is told is how far the lake was this long ago: its files are not synced one by one, and by now the system has written them.
const FLOOR_AGE: Duration = Duration::from_secs(60);

pub(super) struct Round {
    log: Log,
    tables: Tables,
    landed: Arc<Landed>,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Handle,
    /// For what is read as it stands: outputs and the sequence.
    source: Box<dyn Source>,
    /// For what the sequence names.
    runs: Runs,
    reach: FxHashMap<TopicPartition, Reach>,
    sequence: TopicPartition,
    /// The place in the sequence up to which records were read.
    place: u64,
    bytes: usize,
    /// The time from the first record of a round to its commit, commit included: a record is seen after half of that on average, and each table
    /// gets one version a round.
    round: Duration,
    commit_took: Duration,
    floors: VecDeque<(Instant, Vec<(TopicPartition, i64)>)>,
    row: Vec<Value>,
}

/// How far a partition is.
struct Reach {
    table: usize,
    /// Where the table stands.
    stands: Option<i64>,
    /// What is read next.
    next: i64,
    /// Where reading began.
    began: i64,
}

impl Reach {
    fn has_moved(&self) -> bool {
        self.next > self.stands.unwrap_or(self.began)
    }
}

impl Round {
    pub(super) fn new(setup: &Setup, tables: Tables, landed: Arc<Landed>, runtime: &tokio::runtime::Runtime) -> Result<Self> {
        Ok(Self {
            log: setup.log.clone(),
            tables,
            landed,
            metrics: setup.metrics.clone(),
            runtime: runtime.handle().clone(),
            source: setup.log.source()?,
            runs: Runs::new(setup.log.source()?),
            reach: FxHashMap::default(),
            sequence: TopicPartition::new(topics::SEQUENCE, 0),
            place: 0,
            bytes: 0,
            round: setup.round,
            commit_took: Duration::ZERO,
            floors: VecDeque::new(),
            row: Vec::new(),
        })
    }

    /// Asks every table how far it is, and tells the log.
    pub(super) fn begin(&mut self) -> Result<()> {
        let named: Vec<String> = self.tables.all.iter().flat_map(|t| t.topics.clone()).collect();
        let mut source = self.log.source()?;
        for topic in named {
            for partition in source.partitions(&topic)? {
                self.reach(&TopicPartition::new(topic.clone(), partition))?;
            }
        }
        let landed = self.reach.get(&self.sequence).and_then(|r| r.stands).unwrap_or_default();
        if landed > 0 {
            let mut last = Vec::new();
            source.fetch(&self.sequence, landed - 1, 1, &mut last)?;
            if let Some(record) = last.first().filter(|r| r.offset < landed) {
                self.place = Entry::from_json(&record.value, record.offset)?.next();
            }
        }
        self.tell();
        let floors = self.stands();
        self.set_floors(&floors)
    }

    /// How far a partition is, asked of its table when it is met first. None where nothing of it lands.
    fn reach(&mut self, at: &TopicPartition) -> Result<Option<&mut Reach>> {
        if !self.reach.contains_key(at) {
            let Some(table) = self.tables.of(&at.topic) else { return Ok(None) };
            let stands = self.runtime.block_on(self.tables.all[table].appender.position(at))?;
            let next = begin(at, stands, self.runs.start(at)?)?;
            self.reach.insert(at.clone(), Reach { table, stands, next, began: next });
        }
        Ok(self.reach.get_mut(at))
    }

    /// Reads what is new; waits for it a little while. True where there is something to commit.
    pub(super) fn gather(&mut self, stopping: bool) -> Result<bool> {
        self.read()?;
        if self.tables.all.iter().all(|t| t.rows.is_empty()) {
            if !stopping {
                let at: Vec<_> = self.plain().into_iter().filter_map(|at| self.reach.get(&at).map(|r| (at, r.next))).collect();
                self.source.wait(&at, Duration::from_millis(200))?;
            }
            return Ok(false);
        }
        let until = Instant::now() + self.round.saturating_sub(self.commit_took).max(LEAST_GATHERED.min(self.round));
        while !stopping && self.bytes < BUDGET {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Nobody is to be woken for each record: what came meanwhile is read in large pieces.
            std::thread::sleep(left.min(Duration::from_millis(250)));
            self.read()?;
        }
        Ok(true)
    }

    fn plain(&self) -> Vec<TopicPartition> {
        OUTPUTS.iter().map(|t| TopicPartition::new(*t, 0)).chain([self.sequence.clone()]).collect()
    }

    /// Reads everything there is, until the budget is used up.
    fn read(&mut self) -> Result<()> {
        for at in self.plain() {
            let mut records = Vec::new();
            loop {
                if self.bytes >= BUDGET {
                    return Ok(());
                }
                let Some(reach) = self.reach(&at)? else { break };
                let (table, next) = (reach.table, reach.next);
                records.clear();
                let step = if at == self.sequence { SEQUENCE_BYTES } else { STEP_BYTES };
                self.source.fetch(&at, next, step, &mut records)?;
                if records.is_empty() {
                    break;
                }
                for record in &records {
                    if at == self.sequence {
                        self.follow(&Entry::from_json(&record.value, record.offset)?)?;
                        self.count();
                    }
                    let tables = &mut self.tables;
                    convert::add(&mut tables.all[table], &mut tables.shapes, &at, record, None, &mut self.row)?;
                    if let Some(reach) = self.reach.get_mut(&at) {
                        reach.next = record.offset + 1;
                    }
                    if self.bytes >= BUDGET {
                        return Ok(());
                    }
                }
                self.count();
            }
        }
        Ok(())
    }

    /// Adds the records that an entry names, each with its place.
    fn follow(&mut self, entry: &Entry) -> Result<()> {
        let mut place = entry.first;
        for run in &entry.runs {
            let at = run.at();
            let (first, place_of_first) = (run.first, place);
            place += run.count;
            let Some(reach) = self.reach(&at)? else { continue };
            if run.last < reach.next {
                continue;
            }
            let (table, from) = (reach.table, reach.next.max(first));
            // Of a run that retention has cut, the places are counted by offsets.
            let before = (from - first).unsigned_abs();
            let (tables, row) = (&mut self.tables, &mut self.row);
            self.runs.each(&at, (from, run.last), |n, record| {
                let taken = Some((place_of_first + before + n, entry.taken_at));
                convert::add(&mut tables.all[table], &mut tables.shapes, &at, record, taken, row)
            })?;
            if let Some(reach) = self.reach.get_mut(&at) {
                reach.next = run.last + 1;
            }
        }
        self.place = entry.next();
        Ok(())
    }

    fn count(&mut self) {
        self.bytes = self.tables.all.iter().map(|t| t.rows.bytes()).sum();
    }

    /// Makes what was gathered visible, table by table. Gives the tables that got a new version.
    pub(super) async fn commit(&mut self) -> Result<Vec<TableName>> {
        let begun = Instant::now();
        let last = self.tables.sequence()?;
        let order: Vec<usize> = (0..self.tables.all.len()).filter(|n| *n != last).chain([last]).collect();
        let mut committed = Vec::new();
        for n in order {
            let table = &mut self.tables.all[n];
            if table.rows.is_empty() {
                continue;
            }
            let moves: Vec<Move> = self
                .reach
                .iter()
                .filter(|(_, r)| r.table == n && r.has_moved())
                .map(|(at, r)| Move { at: at.clone(), from: r.stands, next: r.next })
                .collect();
            let rows = table.rows.finish()?;
            let name = table.appender.name().clone();
            match table.appender.append(&rows, &moves).await? {
                Appended::Committed { .. } => {}
                Appended::Covered | Appended::Moved => {
                    return Err(Error::retry(format!("another instance lands records in {name}")));
                }
            }
            self.metrics.lake.landed(&name.table, rows.num_rows() as u64);
            for step in moves {
                if let Some(reach) = self.reach.get_mut(&step.at) {
                    reach.stands = Some(step.next);
                }
            }
            committed.push(name);
        }
        self.bytes = 0;
        self.commit_took = begun.elapsed();
        self.metrics.lake.commit_seconds.observe(self.commit_took.as_secs_f64());
        self.tell();
        Ok(committed)
    }

    /// Tells others how far everything is.
    fn tell(&self) {
        let decisions = self.reach.get(&TopicPartition::new(topics::DECISIONS, 0)).and_then(|r| r.stands);
        self.landed.decisions.store(decisions.unwrap_or_default(), Ordering::Relaxed);
        self.landed.sequence.fetch_max(self.place, Ordering::Relaxed);
    }

    fn stands(&self) -> Vec<(TopicPartition, i64)> {
        self.reach.iter().filter_map(|(at, r)| Some((at.clone(), r.stands?))).collect()
    }

    /// Lets the log forget what has been in the lake for a while.
    pub(super) fn set_floors_now_and_then(&mut self) -> Result<()> {
        if self.floors.back().is_none_or(|(at, _)| at.elapsed() >= FLOOR_EVERY) {
            self.floors.push_back((Instant::now(), self.stands()));
        }
        while self.floors.front().is_some_and(|(at, _)| at.elapsed() >= FLOOR_AGE) {
            let Some((_, floors)) = self.floors.pop_front() else { break };
            self.set_floors(&floors)?;
        }
        Ok(())
    }

    fn set_floors(&self, floors: &[(TopicPartition, i64)]) -> Result<()> {
        floors.iter().try_for_each(|(at, next)| self.log.set_floor(&at.topic, at.partition, READER, Some(*next)))
    }
}
