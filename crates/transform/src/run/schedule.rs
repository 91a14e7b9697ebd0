//! Which node may start when, and the threads that do the work. A node waits for what it reads and, where tests run as well, for the tests of
//! what it reads; what depends on a failure is skipped.

use super::compile::{Compiler, is_ephemeral};
use super::{Done, NodeResult, Plan, Status, Watch, node, work};
use crate::spec::{Kind, Models};
use domain::Result;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// For each node of a run, those of the run that must be done before.
pub(super) fn edges(models: &Models, plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let chosen: Vec<&str> = models
        .order
        .iter()
        .filter(|id| plan.chosen.contains(*id))
        .filter(|id| models.nodes.get(*id).is_some_and(|n| plan.kinds.contains(&n.kind) && !is_ephemeral(n)))
        .map(String::as_str)
        .collect();
    let within: BTreeSet<&str> = chosen.iter().copied().collect();
    // In the order of the nodes, so that those of parents are there.
    let mut ancestors: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for id in &models.order {
        let mut all = BTreeSet::new();
        for parent in models.nodes.get(id).into_iter().flat_map(|n| &n.depends_on) {
            all.extend(ancestors.get(parent.as_str()).into_iter().flatten().cloned());
            all.insert(parent.clone());
        }
        ancestors.insert(id, all);
    }
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in &chosen {
        let mut before: BTreeSet<String> = ancestors.get(id).cloned().unwrap_or_default();
        let is_unit = models.nodes[*id].kind == Kind::UnitTest;
        if is_unit {
            // A unit test needs what its model reads, and the model waits for it.
            let model = models.nodes[*id].depends_on.clone();
            before.retain(|b| !model.contains(b));
            for model in model.iter().filter(|m| within.contains(m.as_str())) {
                edges.entry(model.clone()).or_default().insert((*id).to_owned());
            }
        }
        before.retain(|b| within.contains(b.as_str()));
        edges.entry((*id).to_owned()).or_default().extend(before);
    }
    // A test of what a node reads comes first, unless it also reads something that this node has no part in.
    for test in chosen.iter().filter(|id| models.nodes[**id].kind == Kind::Test) {
        let reads: Vec<&String> = models.nodes[*test].depends_on.iter().filter(|d| models.nodes.contains_key(*d)).collect();
        if reads.is_empty() {
            continue;
        }
        for id in chosen.iter().filter(|id| !matches!(models.nodes[**id].kind, Kind::Test | Kind::UnitTest)) {
            if ancestors.get(id).is_some_and(|above| reads.iter().all(|r| above.contains(*r))) {
                edges.entry((*id).to_owned()).or_default().insert((*test).to_owned());
            }
        }
    }
    edges
}

struct State {
    /// By node, what it still waits for.
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// Those that nothing holds back, by their place in the order.
    ready: BTreeSet<(usize, String)>,
    running: usize,
    begun: usize,
    results: Vec<NodeResult>,
    stop: bool,
}

/// Does the work of a plan; the results in the order in which they were there.
///
/// # Errors
/// None of a node: those are results. A fault of ours alone.
pub fn run(compiler: &Compiler<'_>, plan: &Plan, watch: &dyn Watch) -> Result<Vec<NodeResult>> {
    let models = compiler.models;
    let edges = edges(models, plan);
    let place: BTreeMap<&str, usize> = models.order.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    let total = edges.len();
    let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, before) in &edges {
        for parent in before {
            children.entry(parent.clone()).or_default().push(id.clone());
        }
    }
    let at = |id: &str| (place.get(id).copied().unwrap_or_default(), id.to_owned());
    let ready = edges.iter().filter(|(_, before)| before.is_empty()).map(|(id, _)| at(id)).collect();
    let waiting = edges.into_iter().filter(|(_, before)| !before.is_empty()).collect();
    let state = Mutex::new(State { waiting, ready, running: 0, begun: 0, results: Vec::with_capacity(total), stop: false });
    let changed = Condvar::new();

    std::thread::scope(|threads| {
        for thread in 1..=plan.threads.max(1) {
            let (state, changed, children, at) = (&state, &changed, &children, &at);
            threads.spawn(move || {
                while let Some((id, n)) = next(state, changed) {
                    let started = Timestamp::now();
                    let found = node(models, &id);
                    if let Ok(node) = found {
                        watch.started(node, n, total);
                    }
                    let done = found.and_then(|node| work(compiler, node, plan)).unwrap_or_else(|e| Done {
                        status: Status::Error,
                        message: Some(e.to_string()),
                        failures: None,
                        rows: None,
                        compiled: None,
                    });
                    let result = NodeResult {
                        id: id.clone(),
                        status: done.status,
                        message: done.message,
                        failures: done.failures,
                        rows: done.rows,
                        compiled: done.compiled,
                        started,
                        ended: Timestamp::now(),
                        thread,
                    };
                    if let Ok(node) = node(models, &id) {
                        watch.finished(node, &result, n, total);
                    }
                    let mut state = lock(state);
                    state.running -= 1;
                    let bad = result.status.is_bad();
                    state.stop |= bad && plan.fail_fast;
                    state.results.push(result);
                    match bad {
                        true => skip(&mut state, &id, children),
                        false => release(&mut state, &id, children, at),
                    }
                    changed.notify_all();
                }
            });
        }
    });

    let mut state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    // With --fail-fast some never had their turn.
    let left: Vec<String> = state.ready.iter().map(|(_, id)| id.clone()).chain(state.waiting.keys().cloned()).collect();
    state.results.extend(left.into_iter().map(|id| skipped(id, "not started after the first failure")));
    for result in state.results.iter().filter(|r| r.status == Status::Skipped) {
        if let Ok(node) = node(models, &result.id) {
            watch.finished(node, result, total, total);
        }
    }
    Ok(state.results)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next node to work on; none when nothing is left that could start.
fn next(state: &Mutex<State>, changed: &Condvar) -> Option<(String, usize)> {
    let mut state = lock(state);
    loop {
        if state.stop {
            return None;
        }
        if let Some((_, id)) = state.ready.pop_first() {
            state.running += 1;
            state.begun += 1;
            return Some((id, state.begun));
        }
        if state.running == 0 {
            return None;
        }
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

fn release(state: &mut State, id: &str, children: &BTreeMap<String, Vec<String>>, at: impl Fn(&str) -> (usize, String)) {
    for child in children.get(id).into_iter().flatten() {
        let Some(before) = state.waiting.get_mut(child) else { continue };
        before.remove(id);
        if before.is_empty() {
            state.waiting.remove(child);
            state.ready.insert(at(child));
        }
    }
}

/// Everything that waits for a failure is skipped, and what waits for that.
fn skip(state: &mut State, id: &str, children: &BTreeMap<String, Vec<String>>) {
    let mut edge = vec![id.to_owned()];
    while let Some(at) = edge.pop() {
        for child in children.get(&at).into_iter().flatten() {
            if state.waiting.remove(child).is_some() {
                let name = id.split('.').nth(2).unwrap_or(id);
                state.results.push(skipped(child.clone(), &format!("skipped, for `{name}` failed")));
                edge.push(child.clone());
            }
        }
    }
}

fn skipped(id: String, why: &str) -> NodeResult {
    let now = Timestamp::now();
    NodeResult {
        id,
        status: Status::Skipped,
        message: Some(why.to_owned()),
        failures: None,
        rows: None,
        compiled: None,
        started: now,
        ended: now,
        thread: 0,
    }
}
