//! Events that have happened and were not taken yet, in a saved world.

use crate::{STREAMS, SimEvent};
use domain::{Micros, Text};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Stream (index into [`STREAMS`]), key, event time, record.
type Saved = (usize, String, Micros, String);

pub(super) fn serialize<S: Serializer>(ready: &VecDeque<SimEvent>, serializer: S) -> Result<S::Ok, S::Error> {
    let saved = |event: &SimEvent| -> Saved {
        let stream = STREAMS.iter().position(|s| *s == event.stream).unwrap_or_default();
        (stream, event.key.to_string(), event.event_time, String::from_utf8_lossy(&event.json).into_owned())
    };
    ready.iter().map(saved).collect::<Vec<_>>().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<SimEvent>, D::Error> {
    let event = |(stream, key, event_time, json): Saved| {
        let stream = *STREAMS.get(stream).ok_or_else(|| D::Error::custom("a stream beyond the last"))?;
        Ok(SimEvent { stream, key: Text::new(key), event_time, json: json.into_bytes(), fault: None })
    };
    Vec::<Saved>::deserialize(deserializer)?.into_iter().map(event).collect()
}
