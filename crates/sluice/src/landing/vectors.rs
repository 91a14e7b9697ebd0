//! Feature vectors as columns. A vector in the topic names the project version it was made with; the version names the features. The
//! table has a column for each feature that a version ever had.

use crate::log::Log;
use crate::vectors::{self, Vectors};
use crate::versions::Archive;
use domain::{Result, Text, Type, Value};
use lake::Column;
use rustc_hash::FxHashMap;
use scoring::Plan;

pub(super) struct Shapes {
    archive: Archive,
    /// The columns of the table, in order, behind `project`.
    columns: Vec<(Text, Type)>,
    slots: FxHashMap<Text, usize>,
    /// For each version the column of each of its features; none where the table has no such column of that type.
    versions: FxHashMap<String, Vec<Option<usize>>>,
}

impl Shapes {
    pub(super) fn new(log: &Log, plan: &Plan) -> Result<Self> {
        let mut archive = Archive::new(log.source()?);
        archive.read_on(|_, _| Ok(()))?;
        let columns = features(plan);
        Ok(Self { archive, columns, slots: FxHashMap::default(), versions: FxHashMap::default() })
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let features = self.columns.iter().map(|(name, kind)| Column::of(name.as_str(), *kind));
        std::iter::once(Column::of("project", Type::Text)).chain(features).collect()
    }

    /// The columns are what they are from now on.
    pub(super) fn fix(&mut self) {
        self.slots = self.columns.iter().enumerate().map(|(n, (name, _))| (name.clone(), n)).collect();
    }

    /// A record of the topic as rows: the place in the sequence, then the values of the table's columns. None where it cannot be read.
    pub(super) fn rows(&mut self, record: &[u8]) -> Result<Option<Vec<(u64, Vec<Value>)>>> {
        let Ok(read) = vectors::decode(record) else { return Ok(None) };
        let Some(places) = self.places(&read)? else { return Ok(None) };
        let mut rows = Vec::with_capacity(read.sequences.len());
        for (n, sequence) in read.sequences.iter().enumerate() {
            let mut row = vec![Value::Null; self.columns.len() + 1];
            row[0] = Value::text(&read.digest);
            for (value, place) in read.values[n * read.columns..].iter().zip(&places) {
                row[place + 1] = value.clone();
            }
            rows.push((*sequence, row));
        }
        Ok(Some(rows))
    }

    /// Where each value of a vector belongs; none where the table has no place for one of them, so that the record is kept as it is.
    fn places(&mut self, read: &Vectors) -> Result<Option<Vec<usize>>> {
        if !self.versions.contains_key(&read.digest) {
            self.archive.read_on(|_, _| Ok(()))?;
            let plan = self.archive.load(&read.digest)?.plan;
            let place = |(name, kind): &(Text, Type)| self.slots.get(name).copied().filter(|n| self.columns[*n].1 == *kind);
            let places = features(&plan).iter().map(place).collect();
            self.versions.insert(read.digest.clone(), places);
        }
        let places = &self.versions[&read.digest];
        Ok(places.iter().copied().collect::<Option<Vec<usize>>>().filter(|p| p.len() == read.columns))
    }
}

fn features(plan: &Plan) -> Vec<(Text, Type)> {
    plan.features.features.iter().map(|f| (f.name.clone(), f.ty)).collect()
}
