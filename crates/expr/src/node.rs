//! The compiled form: a tree of typed operations, evaluated directly. Truth values have a path of their own, so that a predicate
//! makes no values on its way, and columns and constants are borrowed, so that comparing texts copies nothing.

use crate::Context;
use crate::arithmetic::{self, Op};
use crate::calendar::{self, Part};
use crate::cast::{self, Target};
use crate::like::Like;
use crate::text;
use domain::{Type, Value};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A function of non-null arguments. It is not called if one of them is null: the result is null.
pub(crate) type Function = fn(&[Cow<'_, Value>]) -> Value;

/// The most arguments of a [`Function`].
pub(crate) const MAX_ARGUMENTS: usize = 4;

/// From how many constants on an `in` list is a hash set.
const SET_FROM: usize = 9;

/// The constants of an `in` list, all of one type.
#[derive(Clone, Debug)]
pub(crate) enum Set {
    Few(Box<[Value]>),
    Many(FxHashSet<Value>),
}

impl Set {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        if values.len() < SET_FROM { Self::Few(values.into()) } else { Self::Many(values.into_iter().collect()) }
    }

    fn contains(&self, value: &Value) -> bool {
        match self {
            Self::Few(values) => values.contains(value),
            Self::Many(values) => values.contains(value),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Constant(Value),
    Slot(usize),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    Compare(Comparison, Box<[Node; 2]>),
    /// `is distinct from`, or with `true` its negation.
    Distinct(bool, Box<[Node; 2]>),
    IsNull(Box<Node>),
    /// `is true` or `is false`.
    Is(bool, Box<Node>),
    /// Whether the list also holds a null, which makes "not found" unknown.
    InSet {
        of: Box<Node>,
        set: Set,
        null: bool,
    },
    In {
        of: Box<Node>,
        items: Box<[Node]>,
    },
    InList {
        of: Box<Node>,
        list: usize,
        column: usize,
    },
    Between(Box<[Node; 3]>),
    Like(Like, Box<Node>),
    /// A pattern that is itself computed: text, pattern, escape character if any.
    LikeComputed {
        insensitive: bool,
        args: Box<[Node]>,
    },
    Arithmetic(Op, Type, Box<[Node; 2]>),
    Negate(Box<Node>),
    /// Conditions with their results, and the result otherwise.
    Case(Box<[(Node, Node)]>, Box<Node>),
    Coalesce(Box<[Node]>),
    /// `nullif`: null if both are equal, else the first.
    NullIf(Box<[Node; 2]>),
    /// The greatest (or with `Less` the least) of those that are not null.
    Extreme(Ordering, Box<[Node]>),
    Cast(Target, Box<Node>),
    Extract(Part, Box<Node>),
    Truncate(Part, Box<Node>),
    DateDiff(Part, Box<[Node; 2]>),
    /// Texts of all that are not null, one after the other; never null.
    Concat(Box<[Node]>),
    Call(Function, Box<[Node]>),
}

static NULL: Value = Value::Null;

impl Node {
    /// The value, where it only has to be looked at: most sides of comparisons are columns and constants.
    #[inline]
    fn at_hand<'a>(&'a self, context: &Context<'a>) -> Option<&'a Value> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Slot(slot) => Some(context.slots.get(*slot).unwrap_or(&NULL)),
            _ => None,
        }
    }

    /// Calls `f` with the value.
    #[inline]
    fn with<T>(&self, context: &Context<'_>, f: impl FnOnce(&Value) -> T) -> T {
        match self.at_hand(context) {
            Some(value) => f(value),
            None => f(&self.eval(context)),
        }
    }

    #[inline]
    fn compare(&self, other: &Node, context: &Context<'_>) -> Option<Ordering> {
        self.with(context, |left| if left.is_null() { None } else { other.with(context, |right| left.compare(right)) })
    }

    pub(crate) fn eval<'a>(&'a self, context: &Context<'a>) -> Cow<'a, Value> {
        Cow::Owned(match self {
            Self::Constant(value) => return Cow::Borrowed(value),
            Self::Slot(slot) => return context.slots.get(*slot).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
            Self::Arithmetic(op, ty, args) => {
                args[0].with(context, |left| args[1].with(context, |right| arithmetic::binary(*op, *ty, left, right)))
            }
            Self::Negate(of) => arithmetic::negate(&of.eval(context)),
            Self::Case(branches, otherwise) => {
                let hit = branches.iter().find(|(condition, _)| condition.truth(context) == Some(true));
                return hit.map_or(&**otherwise, |(_, result)| result).eval(context);
            }
            Self::Coalesce(args) => {
                return args.iter().map(|a| a.eval(context)).find(|v| !v.is_null()).unwrap_or(Cow::Owned(Value::Null));
            }
            Self::NullIf(args) => {
                let value = args[0].eval(context);
                if value.compare(&args[1].eval(context)) == Some(Ordering::Equal) {
                    return Cow::Owned(Value::Null);
                }
                return value;
            }
            Self::Extreme(side, args) => {
                let mut best: Cow<'a, Value> = Cow::Owned(Value::Null);
                for arg in args {
                    let value = arg.eval(context);
                    if !value.is_null() && (best.is_null() || value.compare(&best) == Some(*side)) {
                        best = value;
                    }
                }
                return best;
            }
            Self::Cast(target, of) => of.with(context, |value| cast::cast(value, *target)),
            Self::Extract(part, of) => of.with(context, |value| calendar::extract(*part, value)),
            Self::Truncate(part, of) => match &*of.eval(context) {
                Value::Timestamp(t) => Value::Timestamp(calendar::truncate(*part, *t)),
                _ => Value::Null,
            },
            Self::DateDiff(part, args) => match (&*args[0].eval(context), &*args[1].eval(context)) {
                (Value::Timestamp(from), Value::Timestamp(to)) => Value::Int(calendar::difference(*part, *from, *to)),
                _ => Value::Null,
            },
            Self::Concat(args) => text::concat(args.iter().map(|a| a.eval(context))),
            Self::Call(function, args) => {
                let mut values: [Cow<'_, Value>; MAX_ARGUMENTS] = [const { Cow::Owned(Value::Null) }; MAX_ARGUMENTS];
                for (value, arg) in values.iter_mut().zip(args) {
                    *value = arg.eval(context);
                    if value.is_null() {
                        return Cow::Owned(Value::Null);
                    }
                }
                function(&values[..args.len()])
            }
            _ => self.truth(context).map_or(Value::Null, Value::Bool),
        })
    }

    /// The node as a truth value; `None` is unknown.
    pub(crate) fn truth(&self, context: &Context<'_>) -> Option<bool> {
        match self {
            Self::And(args) => {
                let mut all = Some(true);
                for arg in args {
                    match arg.truth(context) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Self::Or(args) => {
                let mut any = Some(false);
                for arg in args {
                    match arg.truth(context) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => any = None,
                    }
                }
                any
            }
            Self::Not(of) => of.truth(context).map(|b| !b),
            Self::Compare(comparison, args) => args[0].compare(&args[1], context).map(|ordering| comparison.holds(ordering)),
            Self::Distinct(negated, args) => {
                let (left, right) = (args[0].eval(context), args[1].eval(context));
                let distinct = match (left.is_null(), right.is_null()) {
                    (false, false) => left.compare(&right) != Some(Ordering::Equal),
                    (a, b) => a != b,
                };
                Some(distinct != *negated)
            }
            Self::IsNull(of) => Some(of.with(context, Value::is_null)),
            Self::Is(wanted, of) => Some(of.truth(context) == Some(*wanted)),
            Self::InSet { of, set, null } => of.with(context, |value| {
                if value.is_null() {
                    None
                } else if set.contains(value) {
                    Some(true)
                } else {
                    (!null).then_some(false)
                }
            }),
            Self::In { of, items } => {
                let value = of.eval(context);
                let mut any = Some(false);
                for item in items {
                    match value.compare(&item.eval(context)) {
                        Some(Ordering::Equal) => return Some(true),
                        Some(_) => {}
                        None => any = None,
                    }
                }
                any
            }
            Self::InList { of, list, column } => {
                of.with(context, |value| (!value.is_null()).then(|| context.lists.contains(*list, *column, value, context.at)))
            }
            Self::Between(args) => args[0].with(context, |value| {
                let low = args[1].with(context, |low| value.compare(low)).map(Ordering::is_ge);
                if low == Some(false) {
                    return low;
                }
                match args[2].with(context, |high| value.compare(high)).map(Ordering::is_le) {
                    Some(false) => Some(false),
                    high => low.and(high),
                }
            }),
            Self::Like(like, of) => of.with(context, |value| value.as_text().map(|t| like.matches(t))),
            Self::LikeComputed { insensitive, args } => {
                let (value, pattern) = (args[0].eval(context), args[1].eval(context));
                let (Some(value), Some(pattern)) = (value.as_text(), pattern.as_text()) else { return None };
                let escape = match args.get(2) {
                    None => None,
                    Some(escape) => {
                        let escape = escape.eval(context);
                        let mut chars = escape.as_text()?.chars();
                        let (first, rest) = (chars.next(), chars.next());
                        if rest.is_some() {
                            return None;
                        }
                        first
                    }
                };
                Some(Like::new(pattern, escape, *insensitive)?.matches(value))
            }
            _ => match *self.eval(context) {
                Value::Bool(b) => Some(b),
                _ => None,
            },
        }
    }

    /// The node's direct parts.
    fn parts(&self) -> Vec<&Node> {
        match self {
            Self::Constant(_) | Self::Slot(_) => Vec::new(),
            Self::And(args) | Self::Or(args) | Self::Coalesce(args) | Self::Extreme(_, args) | Self::Concat(args) | Self::Call(_, args) => {
                args.iter().collect()
            }
            Self::LikeComputed { args, .. } => args.iter().collect(),
            Self::Not(of)
            | Self::IsNull(of)
            | Self::Is(_, of)
            | Self::InSet { of, .. }
            | Self::InList { of, .. }
            | Self::Like(_, of)
            | Self::Negate(of)
            | Self::Cast(_, of)
            | Self::Extract(_, of)
            | Self::Truncate(_, of) => vec![of],
            Self::Compare(_, args)
            | Self::Distinct(_, args)
            | Self::Arithmetic(_, _, args)
            | Self::NullIf(args)
            | Self::DateDiff(_, args) => args.iter().collect(),
            Self::In { of, items } => std::iter::once(&**of).chain(items.iter()).collect(),
            Self::Between(args) => args.iter().collect(),
            Self::Case(branches, otherwise) => branches.iter().flat_map(|(c, r)| [c, r]).chain(std::iter::once(&**otherwise)).collect(),
        }
    }

    /// Calls `each` with this node and all below it.
    pub(crate) fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a Node)) {
        each(self);
        for part in self.parts() {
            part.visit(each);
        }
    }

    /// A node over constants alone becomes its value: evaluation is pure. Lists change, so what asks one stays.
    pub(crate) fn folded(self) -> Self {
        if matches!(self, Self::Constant(_) | Self::Slot(_) | Self::InList { .. }) {
            return self;
        }
        if self.parts().iter().all(|p| matches!(p, Self::Constant(_))) {
            let context = Context { slots: &[], lists: &crate::NoLists, at: 0 };
            return Self::Constant(self.eval(&context).into_owned());
        }
        self
    }
}
