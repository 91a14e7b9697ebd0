//! Groups while they are gathered from the files: columns, windows and aggregates that several calls share are kept once.

use crate::plan::{Aggregate, Call, Class, Column, Group, GroupDigest, Source, Window};
use domain::{Stream, StreamMode, Type};
use expr::Program;
use sqlparser::ast::{Expr, Ident, visit_expressions_mut};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

pub(crate) struct Groups<'a> {
    streams: &'a [Arc<Stream>],
    judged: usize,
    drafts: Vec<Draft>,
}

/// A group in the making. Columns and aggregates are numbered in the order of their first use until [`Groups::finish`].
pub(crate) struct Draft {
    stream: usize,
    keys: Vec<usize>,
    lookup: Vec<usize>,
    latest: bool,
    columns: Vec<Column>,
    /// Types of the fields each column reads: part of what the column is.
    read: Vec<Vec<Type>>,
    windows: Vec<Window>,
    aggregates: Vec<Aggregate>,
    calls: Vec<Call>,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(streams: &'a [Arc<Stream>], judged: usize) -> Self {
        Self { streams, judged, drafts: Vec::new() }
    }

    /// The group of a stream and partition. Another look-up makes it another group.
    pub(crate) fn group(&mut self, stream: usize, keys: Vec<usize>, lookup: Vec<usize>, latest: bool) -> usize {
        let same = |d: &Draft| d.stream == stream && d.keys == keys && d.lookup == lookup;
        if let Some(found) = self.drafts.iter().position(same) {
            return found;
        }
        self.drafts.push(Draft {
            stream,
            keys,
            lookup,
            latest,
            columns: Vec::new(),
            read: Vec::new(),
            windows: Vec::new(),
            aggregates: Vec::new(),
            calls: Vec::new(),
        });
        self.drafts.len() - 1
    }

    pub(crate) fn draft(&mut self, group: usize) -> &mut Draft {
        &mut self.drafts[group]
    }

    /// The groups, and how many slots feature expressions see after the judged stream's `fields`.
    pub(crate) fn finish(self, fields: usize) -> (Vec<Group>, usize) {
        let mut slot = fields;
        let judged = &self.streams[self.judged];
        let groups = self
            .drafts
            .into_iter()
            .map(|draft| {
                let stream = &self.streams[draft.stream];
                let group = draft.finish(stream, judged, slot);
                slot += group.calls.len();
                group
            })
            .collect();
        (groups, slot)
    }
}

impl Draft {
    /// A plain field as a column.
    pub(crate) fn field(&mut self, stream: &Stream, slot: usize) -> usize {
        let field = &stream.fields[slot];
        self.put(
            Column {
                ty: stream.field_type(slot),
                sql: field.name.to_string(),
                nullable: !field.required,
                filter: false,
                source: Arc::new(Source::Slot(slot)),
            },
            vec![stream.field_type(slot)],
        )
    }

    /// An expression over the stream's row as a column.
    pub(crate) fn column(&mut self, stream: &Stream, ast: &Expr, program: Program, filter: bool) -> usize {
        if let (Some(slot), false) = (program.as_column(), filter) {
            return self.field(stream, slot);
        }
        let read = program.slots().iter().map(|s| stream.field_type(*s)).collect();
        let column = Column {
            ty: if filter { Type::Bool } else { program.ty().unwrap_or(Type::Bool) },
            sql: canonical(ast),
            nullable: !filter,
            filter,
            source: Arc::new(Source::Expr(program)),
        };
        self.put(column, read)
    }

    fn put(&mut self, column: Column, read: Vec<Type>) -> usize {
        let same = |c: &Column| c.sql == column.sql && c.filter == column.filter;
        self.columns.iter().position(same).unwrap_or_else(|| {
            self.columns.push(column);
            self.read.push(read);
            self.columns.len() - 1
        })
    }

    pub(crate) fn window(&mut self, window: Window) -> usize {
        self.windows.iter().position(|w| *w == window).unwrap_or_else(|| {
            self.windows.push(window);
            self.windows.len() - 1
        })
    }

    pub(crate) fn aggregate(&mut self, window: Window, filter: Option<usize>, column: Option<usize>, class: Class) -> usize {
        let aggregate = Aggregate { window: self.window(window), filter, column, class };
        self.aggregates.iter().position(|a| *a == aggregate).unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        })
    }

    pub(crate) fn call(&mut self, call: Call) -> usize {
        self.calls.iter().position(|c| *c == call).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        })
    }

    /// Puts all in an order that does not depend on the files', and derives what the engine needs.
    fn finish(mut self, stream: &Stream, judged: &Stream, first_slot: usize) -> Group {
        let columns = sorted(&mut self.columns, |c| (c.filter, c.sql.clone()));
        let mut read = vec![Vec::new(); self.read.len()];
        for (old, types) in self.read.into_iter().enumerate() {
            read[columns[old]] = types;
        }
        let windows = sorted(&mut self.windows, |w| (w.to, w.from.is_none(), w.from));
        for aggregate in &mut self.aggregates {
            aggregate.window = windows[aggregate.window];
            aggregate.filter = aggregate.filter.map(|c| columns[c]);
            aggregate.column = aggregate.column.map(|c| columns[c]);
        }
        let aggregates = merge(&mut self.aggregates);
        for call in &mut self.calls {
            match call {
                Call::Count { aggregate }
                | Call::Sum { aggregate }
                | Call::Avg { aggregate }
                | Call::Stddev { aggregate, .. }
                | Call::Min { aggregate }
                | Call::Max { aggregate }
                | Call::Distinct { aggregate } => *aggregate = aggregates[*aggregate],
                Call::First { window, column, folded } | Call::Last { window, column, folded } => {
                    *window = windows[*window];
                    *column = columns[*column];
                    *folded = folded.map(|a| aggregates[a]);
                }
                Call::Lag { column, .. } | Call::Latest { column } => *column = columns[*column],
            }
        }
        let reach = self.windows.iter().map(|w| w.from.unwrap_or(w.to)).max().unwrap_or(0);
        let kept_rows = self
            .calls
            .iter()
            .map(|call| match call {
                Call::Lag { rows, .. } => *rows,
                Call::Latest { .. } => 1,
                _ => 0,
            })
            .max()
            .unwrap_or(0)
            // An upsert file without columns still asks whether there is a row.
            .max(usize::from(self.latest));
        let folds = self.windows.iter().any(|w| w.from.is_none());
        let names = |slots: &[usize]| slots.iter().map(|s| stream.fields[*s].name.as_str()).collect::<Vec<_>>().join(", ");
        let mut group = Group {
            digest: GroupDigest([0; 8]),
            name: format!("{} by {}", stream.name, names(&self.keys)),
            stream: self.stream,
            key_types: self.keys.iter().map(|k| stream.field_type(*k)).collect(),
            keys: self.keys,
            lookup: self.lookup,
            latest: self.latest,
            columns: self.columns,
            windows: self.windows,
            aggregates: self.aggregates,
            calls: self.calls,
            first_slot,
            reach,
            kept_rows,
            folds,
        };
        group.digest = digest(&group, &read, stream, judged);
        group
    }
}

/// Sorts, and returns where each old place went.
fn sorted<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| key(&items[*i]));
    let mut places = vec![0; items.len()];
    for (new, old) in order.iter().enumerate() {
        places[*old] = new;
    }
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|old| taken[old].take()));
    places
}

/// Lets a count or sum share the state of a wider aggregate over the same entries; returns where each old one went.
fn merge(aggregates: &mut Vec<Aggregate>) -> Vec<usize> {
    let wider = |a: &Aggregate, b: &Aggregate| {
        (a.window, a.filter, a.column) == (b.window, b.filter, b.column)
            && a.class < b.class
            && matches!((a.class, b.class), (Class::Count | Class::Sum, Class::Sum | Class::Squares))
    };
    let kept: Vec<Aggregate> = {
        let mut kept: Vec<Aggregate> = aggregates.iter().filter(|a| !aggregates.iter().any(|b| wider(a, b))).copied().collect();
        kept.sort_by_key(|a| (a.window, a.filter, a.column, a.class));
        kept
    };
    let place = |a: &Aggregate| {
        let same = kept.iter().position(|k| k == a);
        // The widest is the one that was kept.
        same.or_else(|| kept.iter().position(|k| wider(a, k))).unwrap_or(0)
    };
    let places = aggregates.iter().map(place).collect();
    *aggregates = kept;
    places
}

/// An expression's text with unqualified names, so that `t.amount` and `amount` are one column.
fn canonical(ast: &Expr) -> String {
    let mut ast = ast.clone();
    let _ = visit_expressions_mut(&mut ast, |e| {
        if let Expr::CompoundIdentifier(parts) = e
            && let Some(last) = parts.pop()
        {
            *e = Expr::Identifier(last);
        }
        if let Expr::Identifier(Ident { quote_style, .. }) = e {
            *quote_style = None;
        }
        ControlFlow::<()>::Continue(())
    });
    ast.to_string()
}

/// Everything that decides what the stored state holds. What is only derived from it (which aggregates run) is left out, so
/// that a new feature over what is there already finds its history.
fn digest(group: &Group, read: &[Vec<Type>], stream: &Stream, judged: &Stream) -> GroupDigest {
    let mut text = String::from("sluice features 1\n");
    let mode = if stream.mode == StreamMode::Upsert { "upsert" } else { "append" };
    let _ = writeln!(text, "{} {mode} {} {}", stream.name, stream.lateness, judged.lateness);
    for ((key, ty), lookup) in group.keys.iter().zip(&group.key_types).zip(&group.lookup) {
        // Two groups that differ in their look-up alone must not share records.
        let _ = writeln!(text, "key {} {ty} {}", stream.fields[*key].name, judged.fields[*lookup].name);
    }
    for (column, types) in group.columns.iter().zip(read) {
        let kind = if column.filter { "filter" } else { "column" };
        let _ = writeln!(text, "{kind} {} {} {} {types:?}", column.sql, column.ty, column.nullable);
    }
    let _ = writeln!(text, "reach {} rows {}", group.reach, group.kept_rows);
    if group.folds {
        // The base holds one entry per aggregate, so here the aggregates are part of what is stored.
        for a in &group.aggregates {
            let window = group.windows[a.window];
            let _ = writeln!(text, "{:?} {:?} {:?} {:?} {}", a.class, a.filter, a.column, window.from, window.to);
        }
    }
    let hash = blake3::hash(text.as_bytes());
    let mut digest = [0; 8];
    digest.copy_from_slice(&hash.as_bytes()[..8]);
    GroupDigest(digest)
}
