//! What the names in a rule mean: fields of the judged stream, features, and lists.

use domain::{Stream, Text, Type};
use expr::Scope;
use project::ListSpec;

/// The scope of rules: one flat row, the event's fields in slots 0 to n, then the features.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub event: &'a Stream,
    pub features: &'a [(Text, Type)],
}

impl Names<'_> {
    /// The name of every slot, in order.
    pub(crate) fn all(&self) -> Vec<Text> {
        let fields = self.event.fields.iter().map(|f| f.name.clone());
        fields.chain(self.features.iter().map(|(name, _)| name.clone())).collect()
    }
}

/// The names together with the project's lists.
pub(crate) struct RuleScope<'a> {
    pub(crate) names: Names<'a>,
    pub(crate) lists: &'a [ListSpec],
}

impl Scope for RuleScope<'_> {
    /// A name alone is a field or else a feature; `event.x` (or the stream's name) and `features.x` say which.
    fn column(&self, qualifier: Option<&str>, name: &str) -> Option<(usize, Type)> {
        let Names { event, features } = self.names;
        let (fields, derived) = match qualifier {
            None => (true, true),
            Some(q) if q == "event" || event.name == q => (true, false),
            Some("features") => (false, true),
            Some(_) => return None,
        };
        let field = || event.slot(name).map(|slot| (slot, event.field_type(slot)));
        let feature = || features.iter().position(|(n, _)| n == name).map(|i| (event.fields.len() + i, features[i].1));
        fields.then(field).flatten().or_else(|| derived.then(feature).flatten())
    }

    fn column_names(&self) -> Vec<String> {
        self.names.all().iter().map(ToString::to_string).collect()
    }

    fn list(&self, list: &str, column: &str) -> Option<(usize, usize)> {
        let index = self.lists.iter().position(|l| l.name == list)?;
        Some((index, self.lists[index].columns.iter().position(|c| c == column)?))
    }

    fn list_names(&self) -> Vec<String> {
        self.lists.iter().map(|l| format!("{}({})", l.name, l.columns.join(", "))).collect()
    }
}
