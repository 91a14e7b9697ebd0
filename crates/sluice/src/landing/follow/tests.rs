use super::{Runs, begin};
use bytes::Bytes;
use domain::{Kind, Result, TopicPartition};
use pipeline::{Record, Source};
use std::time::Duration;

/// Holds records `start..end` of every partition, some of whose offsets are passed over, and gives few at a time.
struct Few {
    start: i64,
    end: i64,
    gap: i64,
}

impl Source for Few {
    fn partitions(&mut self, _: &str) -> Result<Vec<i32>> {
        Ok(vec![0])
    }

    fn bounds(&mut self, _: &TopicPartition) -> Result<(i64, i64)> {
        Ok((self.start, self.end))
    }

    fn fetch(&mut self, _: &TopicPartition, from: i64, _: usize, out: &mut Vec<Record>) -> Result<()> {
        let offsets = (from..self.end).filter(|o| *o != self.gap).take(3);
        out.extend(offsets.map(|offset| Record { offset, timestamp_ms: 0, key: None, value: Bytes::new() }));
        Ok(())
    }

    fn wait(&mut self, _: &[(TopicPartition, i64)], _: Duration) -> Result<()> {
        Ok(())
    }
}

fn run(runs: &mut Runs, first: i64, last: i64) -> Vec<(u64, i64)> {
    let mut seen = Vec::new();
    let each = |place, record: &Record| {
        seen.push((place, record.offset));
        Ok(())
    };
    runs.each(&TopicPartition::new("t", 0), (first, last), each).unwrap();
    seen
}

#[test]
fn runs_are_given_whole_whatever_is_read_at_a_time() {
    let mut runs = Runs::new(Box::new(Few { start: 0, end: 20, gap: 6 }));
    assert_eq!(run(&mut runs, 0, 0), [(0, 0)]);
    assert_eq!(run(&mut runs, 1, 4), [(0, 1), (1, 2), (2, 3), (3, 4)]);
    assert_eq!(run(&mut runs, 5, 7), [(0, 5), (1, 7)]);
    // One that begins further on leaves out what was read ahead.
    assert_eq!(run(&mut runs, 12, 13), [(0, 12), (1, 13)]);
}

#[test]
fn a_partition_is_read_from_where_its_table_stands() {
    let at = TopicPartition::new("t", 0);
    assert_eq!(begin(&at, Some(7), 3).unwrap(), 7);
    assert_eq!(begin(&at, None, 3).unwrap(), 3);
    assert_eq!(begin(&at, Some(2), 3).unwrap_err().kind, Kind::Stop);
}
