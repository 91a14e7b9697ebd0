//! The memory of transaction ids: what was decided for an id, until it expires by event time.
//!
//! Most ids are new. A filter in memory says so without a look at the disk; what came since the last durable snapshot is in
//! memory too. The filter is filled from disk in the background after a start; until then the disk is asked.

use crate::bloom::Bloom;
use crate::handle::Handle;
use crate::store::wrong;
use domain::{Error, Micros, Result};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A uniform hash of an id, such as half a BLAKE3.
pub type IdHash = [u8; 16];

/// The most bytes that are kept for an id.
pub const MAX_ID_VALUE: usize = 64;

/// Bytes of one slab: a growing batch takes one more, and never copies what it holds.
const SLAB: usize = 1 << 16;

/// Ids and what is kept for them. Entries stand in slabs, so that the table holds no more than hashes and places and is quick to grow.
#[derive(Debug, Default)]
struct Batch {
    /// Slab times [`SLAB`] and the offset in it.
    places: FxHashMap<IdHash, u64>,
    /// Each entry: length of the rest (1 byte), expiry (8 bytes little endian), value.
    slabs: Vec<Vec<u8>>,
}

impl Batch {
    /// Expiry and value, as the disk has them.
    fn get(&self, id: &IdHash) -> Option<&[u8]> {
        self.places.get(id).and_then(|place| self.at(*place))
    }

    fn at(&self, place: u64) -> Option<&[u8]> {
        let entry = self.slabs.get(place as usize / SLAB)?.get(place as usize % SLAB..)?;
        let (length, rest) = entry.split_first()?;
        rest.get(..usize::from(*length))
    }

    /// `value` has at most [`MAX_ID_VALUE`] bytes.
    fn insert(&mut self, id: IdHash, expires: Micros, value: &[u8]) {
        let length = 8 + value.len();
        if self.slabs.last().is_none_or(|slab| slab.len() + 1 + length > SLAB) {
            self.slabs.push(Vec::with_capacity(SLAB));
        }
        let last = self.slabs.len() - 1;
        let slab = &mut self.slabs[last];
        self.places.insert(id, (last * SLAB + slab.len()) as u64);
        slab.push(length as u8);
        slab.extend_from_slice(&expires.to_le_bytes());
        slab.extend_from_slice(value);
    }

    fn bytes(&self) -> usize {
        self.places.capacity() * (size_of::<(IdHash, u64)>() + 1) + self.slabs.len() * SLAB
    }
}

/// What was put since the batch before, for one commit.
#[derive(Clone, Debug)]
pub struct IdBatch {
    number: u64,
    entries: Arc<Batch>,
}

impl IdBatch {
    /// (key, value) of each record.
    pub(crate) fn records(&self) -> impl Iterator<Item = (IdHash, Vec<u8>)> {
        self.entries.places.iter().filter_map(|(id, place)| Some((*id, self.entries.at(*place)?.to_vec())))
    }

    pub fn len(&self) -> usize {
        self.entries.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.places.is_empty()
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
    handle: Handle,
    fresh: Batch,
    /// Begun but not durable yet, oldest first.
    flying: Vec<IdBatch>,
    next: u64,
    filter: Filter,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").field("fresh", &self.fresh.places.len()).finish_non_exhaustive()
    }
}

impl Ids {
    pub(crate) fn new(handle: Handle) -> Result<Self> {
        let filter = if handle.get()?.ids.first_key_value().is_none() {
            Filter::Ready(Bloom::default())
        } else {
            let stop = Arc::new(AtomicBool::new(false));
            let (from, stopped) = (handle.clone(), Arc::clone(&stop));
            let thread = std::thread::Builder::new()
                .name("id-filter".into())
                .spawn(move || fill(&from, &stopped))
                .map_err(|e| Error::stop("the thread that reads known ids does not start", "raise the limit of threads").because(e))?;
            Filter::Filling { thread: Some(thread), stop, meanwhile: Vec::new() }
        };
        Ok(Self { handle, fresh: Batch::default(), flying: Vec::new(), next: 1, filter })
    }

    /// What is kept for an id, unless it expired before `now` (the judged stream's greatest event time: what is found must
    /// not depend on when the disk was cleaned up). Appends the value to `out` and says whether there was one.
    pub fn get(&mut self, id: &IdHash, now: Micros, out: &mut Vec<u8>) -> Result<bool> {
        let in_memory = self.fresh.get(id).or_else(|| self.flying.iter().rev().find_map(|b| b.entries.get(id)));
        if let Some(kept) = in_memory {
            return Ok(append_if_counts(kept, now, out));
        }
        self.take_filter()?;
        if let Filter::Ready(bloom) = &self.filter
            && !bloom.may_hold(id)
        {
            return Ok(false);
        }
        let Some(value) = self.handle.get()?.ids.get(id).map_err(wrong)? else { return Ok(false) };
        Ok(append_if_counts(&value, now, out))
    }

    /// Keeps a value (up to [`MAX_ID_VALUE`] bytes) for an id until `expires`, event time.
    ///
    /// # Errors
    /// A bug if the value is longer.
    pub fn put(&mut self, id: IdHash, expires: Micros, value: &[u8]) -> Result<()> {
        if value.len() > MAX_ID_VALUE {
            return Err(Error::bug(format!("an id's value has {} bytes, more than {MAX_ID_VALUE}", value.len())));
        }
        self.fresh.insert(id, expires, value);
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
        let entries = self.fresh.bytes() + self.flying.iter().map(|b| b.entries.bytes()).sum::<usize>();
        let filter = match &self.filter {
            Filter::Ready(bloom) => bloom.bytes(),
            Filter::Filling { meanwhile, .. } => meanwhile.capacity() * size_of::<(IdHash, Micros)>(),
        };
        entries + filter
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

/// Appends the value behind an expiry unless that is past, and says whether it did.
fn append_if_counts(kept: &[u8], now: Micros, out: &mut Vec<u8>) -> bool {
    let counts = features::expires(kept).is_some_and(|expires| expires >= now);
    if counts {
        out.extend_from_slice(&kept[8..]);
    }
    counts
}

/// Reads all ids once. A stopped one is never used.
fn fill(handle: &Handle, stop: &AtomicBool) -> Result<Bloom> {
    let mut bloom = Bloom::default();
    let open = handle.get()?;
    for guard in open.ids.iter() {
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
