//! The memory of transaction ids: what was decided for an id, until it expires by event time.
//!
//! Most ids are new. A filter in memory says so without a look at the disk; what came since the last durable snapshot is in
//! memory too. The filter is filled from disk in the background after a start; until then the disk is asked.

use crate::bloom::Bloom;
use crate::store::wrong;
use domain::{Error, Micros, Result};
use fjall::Keyspace;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A uniform hash of an id, such as half a BLAKE3.
pub type IdHash = [u8; 16];

/// The most bytes that are kept for an id.
pub const MAX_ID_VALUE: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Kept {
    expires: Micros,
    len: u8,
    bytes: [u8; MAX_ID_VALUE],
}

impl Kept {
    fn value(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

type Batch = FxHashMap<IdHash, Kept>;

/// What was put since the batch before, for one commit.
#[derive(Clone, Debug)]
pub struct IdBatch {
    number: u64,
    entries: Arc<Batch>,
}

impl IdBatch {
    /// (key, value) of each record.
    pub(crate) fn records(&self) -> impl Iterator<Item = (IdHash, Vec<u8>)> {
        self.entries.iter().map(|(id, kept)| {
            let mut value = Vec::with_capacity(8 + usize::from(kept.len));
            value.extend_from_slice(&kept.expires.to_le_bytes());
            value.extend_from_slice(kept.value());
            (*id, value)
        })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[derive(Debug)]
enum Filter {
    Ready(Bloom),
    /// The thread that fills it, and what was put meanwhile.
    Filling {
        thread: Option<JoinHandle<Result<Bloom>>>,
        stop: Arc<AtomicBool>,
        meanwhile: Vec<(IdHash, Micros)>,
    },
}

/// Owned by the one who judges.
pub struct Ids {
    keyspace: Keyspace,
    fresh: Batch,
    /// Begun but not durable yet, oldest first.
    flying: Vec<IdBatch>,
    next: u64,
    filter: Filter,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").field("fresh", &self.fresh.len()).finish_non_exhaustive()
    }
}

impl Ids {
    pub(crate) fn new(keyspace: Keyspace) -> Result<Self> {
        let filter = if keyspace.first_key_value().is_none() {
            Filter::Ready(Bloom::default())
        } else {
            let stop = Arc::new(AtomicBool::new(false));
            let (from, stopped) = (keyspace.clone(), Arc::clone(&stop));
            let thread = std::thread::Builder::new()
                .name("id-filter".into())
                .spawn(move || fill(&from, &stopped))
                .map_err(|e| Error::stop("the thread that reads known ids does not start", "raise the limit of threads").because(e))?;
            Filter::Filling { thread: Some(thread), stop, meanwhile: Vec::new() }
        };
        Ok(Self { keyspace, fresh: Batch::default(), flying: Vec::new(), next: 1, filter })
    }

    /// What is kept for an id, unless it expired before `now` (the judged stream's greatest event time: what is found must
    /// not depend on when the disk was cleaned up). Appends the value to `out` and says whether there was one.
    pub fn get(&mut self, id: &IdHash, now: Micros, out: &mut Vec<u8>) -> Result<bool> {
        let in_memory = self.fresh.get(id).or_else(|| self.flying.iter().rev().find_map(|b| b.entries.get(id)));
        if let Some(kept) = in_memory {
            let counts = kept.expires >= now;
            if counts {
                out.extend_from_slice(kept.value());
            }
            return Ok(counts);
        }
        self.take_filter()?;
        if let Filter::Ready(bloom) = &self.filter
            && !bloom.may_hold(id)
        {
            return Ok(false);
        }
        let Some(value) = self.keyspace.get(id).map_err(wrong)? else { return Ok(false) };
        let counts = features::expires(&value).is_some_and(|expires| expires >= now);
        if counts {
            out.extend_from_slice(&value[8..]);
        }
        Ok(counts)
    }

    /// Keeps a value (up to [`MAX_ID_VALUE`] bytes) for an id until `expires`, event time.
    ///
    /// # Errors
    /// A bug if the value is longer.
    pub fn put(&mut self, id: IdHash, expires: Micros, value: &[u8]) -> Result<()> {
        let mut bytes = [0; MAX_ID_VALUE];
        bytes
            .get_mut(..value.len())
            .ok_or_else(|| Error::bug(format!("an id's value has {} bytes, more than {MAX_ID_VALUE}", value.len())))?
            .copy_from_slice(value);
        self.fresh.insert(id, Kept { expires, len: value.len() as u8, bytes });
        match &mut self.filter {
            Filter::Ready(bloom) => bloom.insert(&id, expires),
            Filter::Filling { meanwhile, .. } => meanwhile.push((id, expires)),
        }
        Ok(())
    }

    /// Begins a commit: what was put up to now. To be called where the engine's snapshot begins, so that both hold the same.
    pub fn begin(&mut self) -> IdBatch {
        let batch = IdBatch { number: self.next, entries: Arc::new(std::mem::take(&mut self.fresh)) };
        self.next += 1;
        self.flying.push(batch.clone());
        batch
    }

    /// A batch is durable: the disk answers for it from now on. `now` as in [`Ids::get`].
    pub fn done(&mut self, batch: &IdBatch, now: Micros) {
        self.flying.retain(|b| b.number > batch.number);
        if let Filter::Ready(bloom) = &mut self.filter {
            bloom.expire(now);
        }
    }

    /// Bytes of ids and filter in memory, about.
    pub fn bytes(&self) -> usize {
        let entries = self.fresh.capacity() + self.flying.iter().map(|b| b.entries.capacity()).sum::<usize>();
        let filter = match &self.filter {
            Filter::Ready(bloom) => bloom.bytes(),
            Filter::Filling { meanwhile, .. } => meanwhile.capacity() * size_of::<(IdHash, Micros)>(),
        };
        entries * size_of::<(IdHash, Kept)>() + filter
    }

    /// Takes the filter over once it is filled.
    fn take_filter(&mut self) -> Result<()> {
        let Filter::Filling { thread, meanwhile, .. } = &mut self.filter else { return Ok(()) };
        if !thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Ok(());
        }
        let Some(thread) = thread.take() else { return Ok(()) };
        let mut bloom = thread.join().map_err(|_| Error::bug("the thread that reads known ids failed"))??;
        for (id, expires) in meanwhile.drain(..) {
            bloom.insert(&id, expires);
        }
        self.filter = Filter::Ready(bloom);
        Ok(())
    }
}

impl Drop for Ids {
    fn drop(&mut self) {
        // The thread holds the store open, so it must end first.
        if let Filter::Filling { thread, stop, .. } = &mut self.filter {
            stop.store(true, Ordering::Relaxed);
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Reads all ids once. A stopped one is never used.
fn fill(keyspace: &Keyspace, stop: &AtomicBool) -> Result<Bloom> {
    let mut bloom = Bloom::default();
    for guard in keyspace.iter() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = guard.into_inner().map_err(wrong)?;
        if let (Ok(id), Some(expires)) = (IdHash::try_from(&key[..]), features::expires(&value)) {
            bloom.insert(&id, expires);
        }
    }
    Ok(bloom)
}
