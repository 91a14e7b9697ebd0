//! From the parser's tree to typed nodes. Every mistake is collected, each with its place; what is constant is computed here, once.

mod functions;
mod literals;

use crate::arithmetic::Op;
use crate::cast::{self, Target};
use crate::like::Like;
use crate::node::{Comparison, Node, Set};
use crate::place::{did_you_mean, parse_error, span_of};
use crate::{Program, Scope, SqlError};
use domain::{Type, Value};
use sqlparser::ast::{BinaryOperator, Expr, Ident, Query, SelectItem, SetExpr, Spanned as _, TableFactor, UnaryOperator};
use sqlparser::dialect::DuckDbDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use std::ops::Range;

/// Deeper trees are refused, so that no expression can exhaust the stack. (The parser has a limit of its own for brackets.)
const MAX_DEPTH: usize = 100;

/// Parses and compiles one expression.
///
/// # Errors
/// Every mistake at once; a text that does not parse has one.
pub fn compile(sql: &str, scope: &dyn Scope) -> Result<Program, Vec<SqlError>> {
    let wrong = |e| vec![parse_error(&e, sql)];
    let mut parser = Parser::new(&DuckDbDialect).try_with_sql(sql).map_err(wrong)?;
    if parser.peek_token().token == Token::EOF {
        return Err(vec![SqlError { message: "an expression is missing".into(), span: 0..sql.len(), hint: None }]);
    }
    let ast = parser.parse_expr().map_err(wrong)?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let message = format!("expected the end of the expression, found `{}`", rest.token);
        return Err(vec![SqlError { message, span: span_of(rest.span, sql), hint: None }]);
    }
    compile_ast(&ast, sql, scope)
}

/// Compiles an expression that is already parsed; `sql` is the text that its places refer to.
///
/// # Errors
/// Every mistake at once.
pub fn compile_ast(ast: &Expr, sql: &str, scope: &dyn Scope) -> Result<Program, Vec<SqlError>> {
    let mut compiler = Compiler { sql, scope, errors: Vec::new(), depth: 0 };
    match compiler.expr(ast) {
        Some(typed) if compiler.errors.is_empty() => Ok(Program::new(typed.node, typed.ty)),
        _ => Err(compiler.errors),
    }
}

/// A compiled part: its node, its type (`None`: always null), its place.
struct Typed {
    node: Node,
    ty: Option<Type>,
    span: Range<usize>,
    /// A text written in the expression: where another type is wanted it is read as that type.
    literal: bool,
}

impl Typed {
    fn constant(&self) -> Option<&Value> {
        match &self.node {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }
}

/// The name of a type for a message; of nothing but nulls, `null`.
fn named(ty: Option<Type>) -> String {
    ty.map_or("null".into(), |t| t.to_string())
}

fn numeric(ty: Type) -> bool {
    matches!(ty, Type::Int | Type::Decimal(_) | Type::Float)
}

/// The one type that values of both become; `None` if there is none.
fn merge(a: Type, b: Type) -> Option<Type> {
    Some(match (a, b) {
        (a, b) if a == b => a,
        (Type::Float, other) | (other, Type::Float) if numeric(other) => Type::Float,
        (Type::Decimal(a), Type::Decimal(b)) => Type::Decimal(a.max(b)),
        (Type::Decimal(s), Type::Int) | (Type::Int, Type::Decimal(s)) => Type::Decimal(s),
        _ => return None,
    })
}

/// Makes a number's type exactly `to`. Other types pass: they are already alike.
fn widened(node: Node, from: Option<Type>, to: Option<Type>) -> Node {
    match (from, to.and_then(Target::widest)) {
        (Some(from), Some(target)) if Some(from) != to => Node::Cast(target, Box::new(node)).folded(),
        _ => node,
    }
}

/// A constant in the form that the other side of a comparison (or the result of a sum) has, where that changes no digit: so it is not
/// converted again for every row.
fn prepared(node: Node, other: Option<Type>) -> Node {
    let Node::Constant(value) = &node else { return node };
    let ready = match (other, value) {
        (Some(Type::Decimal(scale)), Value::Int(_) | Value::Decimal(_)) => {
            crate::arithmetic::as_decimal(value).and_then(|d| d.rescale(scale)).map(Value::Decimal)
        }
        (Some(Type::Float), number) => number.as_f64().map(Value::Float),
        _ => None,
    };
    ready.map_or(node, Node::Constant)
}

/// Every function here returns `None` after it has noted an error.
struct Compiler<'a> {
    sql: &'a str,
    scope: &'a dyn Scope,
    errors: Vec<SqlError>,
    depth: usize,
}

impl Compiler<'_> {
    fn error<T>(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Option<T> {
        self.errors.push(SqlError { message: message.into(), span, hint });
        None
    }

    /// Of a chain of operators, from its first operand to its last, without descending the chain: it may be long.
    fn span(&self, expr: &Expr) -> Range<usize> {
        let Expr::BinaryOp { right, .. } = expr else { return span_of(expr.span(), self.sql) };
        let mut first = expr;
        while let Expr::BinaryOp { left, .. } = first {
            first = left;
        }
        span_of(first.span().union(&right.span()), self.sql)
    }

    fn expr(&mut self, expr: &Expr) -> Option<Typed> {
        if self.depth >= MAX_DEPTH {
            return self.error(self.span(expr), "the expression nests too deep", Some("split it into several features or rules".into()));
        }
        self.depth += 1;
        let typed = self.inner(expr);
        self.depth -= 1;
        typed.map(|t| Typed { node: t.node.folded(), ..t })
    }

    fn inner(&mut self, expr: &Expr) -> Option<Typed> {
        let span = self.span(expr);
        let truth = |node| Some(Typed { node, ty: Some(Type::Bool), span: span.clone(), literal: false });
        let not = |negated: bool, node: Node| if negated { Node::Not(Box::new(node.folded())) } else { node };
        match expr {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Value(value) => self.literal(&value.value, span),
            Expr::TypedString(typed) => self.typed_string(typed, span),
            Expr::Interval(interval) => self.interval(interval, span),
            Expr::Identifier(ident) => self.column(None, ident, span),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, name] => self.column(Some(&qualifier.value), name, span),
                _ => self.error(span, "a name has at most one dot", None),
            },
            Expr::UnaryOp { op, expr: of } => match op {
                UnaryOperator::Not => truth(Node::Not(Box::new(self.boolean(of, "not")?))),
                UnaryOperator::Plus => self.expr(of),
                UnaryOperator::Minus => {
                    let of = self.expr(of)?;
                    match of.ty {
                        Some(ty) if !numeric(ty) && ty != Type::Interval => {
                            self.error(of.span, format!("`-` needs a number, got {ty}"), None)
                        }
                        _ => Some(Typed { node: Node::Negate(Box::new(of.node)), ty: of.ty, span, literal: false }),
                    }
                }
                other => self.error(span, format!("the operator `{other}` is not supported"), None),
            },
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, span),
            Expr::IsNull(of) | Expr::IsUnknown(of) => truth(Node::IsNull(Box::new(self.expr(of)?.node))),
            Expr::IsNotNull(of) | Expr::IsNotUnknown(of) => truth(not(true, Node::IsNull(Box::new(self.expr(of)?.node)))),
            Expr::IsTrue(of) => truth(Node::Is(true, Box::new(self.boolean(of, "is true")?))),
            Expr::IsNotTrue(of) => truth(not(true, Node::Is(true, Box::new(self.boolean(of, "is not true")?)))),
            Expr::IsFalse(of) => truth(Node::Is(false, Box::new(self.boolean(of, "is false")?))),
            Expr::IsNotFalse(of) => truth(not(true, Node::Is(false, Box::new(self.boolean(of, "is not false")?)))),
            Expr::IsDistinctFrom(left, right) => truth(Node::Distinct(false, self.pair(left, right, "is distinct from", span.clone())?)),
            Expr::IsNotDistinctFrom(left, right) => {
                truth(Node::Distinct(true, self.pair(left, right, "is not distinct from", span.clone())?))
            }
            Expr::Between { expr: of, negated, low, high } => {
                let (of, low, high) = (self.expr(of), self.expr(low), self.expr(high));
                let (of, low, high) = (of?, low?, high?);
                // A text literal in front takes its type from whichever bound has one.
                let wanted = [&of, &low, &high].iter().find(|t| !t.literal && t.ty.is_some()).and_then(|t| t.ty);
                let of = self.read_as(of, wanted)?;
                let of_ty = of.ty;
                let (low, high) = (self.read_as(low, of_ty), self.read_as(high, of_ty));
                let (low, high) = (low?, high?);
                self.comparable(of_ty, low.ty, "between", low.span.clone())?;
                self.comparable(of_ty, high.ty, "between", high.span.clone())?;
                let (low, high) = (prepared(low.node, of_ty), prepared(high.node, of_ty));
                truth(not(*negated, Node::Between(Box::new([of.node, low, high]))))
            }
            Expr::InList { expr: of, list, negated } => {
                let node = self.in_list(of, list)?;
                truth(not(*negated, node))
            }
            Expr::InSubquery { expr: of, subquery, negated } => {
                let of = self.expr(of);
                let (list, column) = self.list_query(subquery)?;
                truth(not(*negated, Node::InList { of: Box::new(of?.node), list, column }))
            }
            Expr::Like { negated, any: false, expr: of, pattern, escape_char } => {
                let node = self.like(of, pattern, escape_char.as_deref(), false)?;
                truth(not(*negated, node))
            }
            Expr::ILike { negated, any: false, expr: of, pattern, escape_char } => {
                let node = self.like(of, pattern, escape_char.as_deref(), true)?;
                truth(not(*negated, node))
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut whens = Vec::new();
                let mut results = Vec::new();
                for when in conditions {
                    whens.push(match operand {
                        Some(operand) => {
                            let end = self.span(&when.condition);
                            self.pair(operand, &when.condition, "case", end).map(|p| Node::Compare(Comparison::Equal, p).folded())
                        }
                        None => self.boolean(&when.condition, "when"),
                    });
                    results.push(self.expr(&when.result));
                }
                results.push(match else_result {
                    Some(otherwise) => self.expr(otherwise),
                    None => Some(Typed { node: Node::Constant(Value::Null), ty: None, span: span.clone(), literal: false }),
                });
                let whens: Option<Vec<_>> = whens.into_iter().collect();
                let results: Option<Vec<_>> = results.into_iter().collect();
                let (mut results, ty) = self.alike(results?, "case")?;
                let otherwise = results.pop().unwrap_or(Node::Constant(Value::Null));
                let branches = whens?.into_iter().zip(results).collect();
                Some(Typed { node: Node::Case(branches, Box::new(otherwise)), ty, span, literal: false })
            }
            Expr::Cast { expr: of, data_type, .. } => {
                let of = self.expr(of);
                self.cast(of?, data_type, span)
            }
            Expr::Function(function) => self.function(function, span),
            Expr::Extract { field, expr: of, .. } => {
                let of = self.expr(of);
                self.extract(&field.to_string(), of?, span)
            }
            Expr::Ceil { expr: of, .. } => self.call("ceil", &[of], span),
            Expr::Floor { expr: of, .. } => self.call("floor", &[of], span),
            Expr::Position { expr: part, r#in } => self.call("strpos", &[r#in, part], span),
            Expr::Substring { expr: of, substring_from, substring_for, .. } => {
                let args: Vec<&Expr> = std::iter::once(of).chain(substring_from).chain(substring_for).map(|b| &**b).collect();
                self.call("substring", &args, span)
            }
            Expr::Trim { expr: of, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    Some(side) if side.to_string() == "LEADING" => "ltrim",
                    Some(side) if side.to_string() == "TRAILING" => "rtrim",
                    _ => "trim",
                };
                let mut args: Vec<&Expr> = vec![of];
                args.extend(trim_what.as_deref());
                args.extend(trim_characters.iter().flatten());
                self.call(name, &args, span)
            }
            Expr::Subquery(_) | Expr::Exists { .. } => self.error(
                span,
                "a subquery may stand only as `x in (select column from list)`",
                Some("what looks back over events belongs in a file under features/".into()),
            ),
            Expr::AtTimeZone { .. } => self.error(span, "`at time zone` is not supported: all times are UTC", None),
            _ => {
                let mut text = expr.to_string();
                if let Some((at, _)) = text.char_indices().nth(60) {
                    text.truncate(at);
                    text.push_str("...");
                }
                self.error(span, format!("`{text}` is not supported in an expression"), None)
            }
        }
    }

    fn column(&mut self, qualifier: Option<&str>, ident: &Ident, span: Range<usize>) -> Option<Typed> {
        let name = ident.value.as_str();
        // SQL's unquoted names ignore case, and names in a project are lower case.
        let found = self.scope.column(qualifier, name).or_else(|| self.scope.column(qualifier, &name.to_lowercase()));
        if let Some((slot, ty)) = found {
            return Some(Typed { node: Node::Slot(slot), ty: Some(ty), span, literal: false });
        }
        let shown = qualifier.map_or_else(|| name.to_owned(), |q| format!("{q}.{name}"));
        let names = self.scope.column_names();
        let hint = did_you_mean(name, &names).or_else(|| match ident.quote_style {
            Some('"') => Some(format!("a text stands in single quotes: '{name}'")),
            _ if names.is_empty() => None,
            _ if names.len() <= 12 => Some(format!("the names here are {}", names.join(", "))),
            _ => None,
        });
        self.error(span, format!("unknown name `{shown}`"), hint)
    }

    fn boolean(&mut self, expr: &Expr, what: &str) -> Option<Node> {
        let typed = self.expr(expr)?;
        match typed.ty {
            None | Some(Type::Bool) => Some(typed.node),
            Some(ty) => {
                let hint = numeric(ty).then(|| "compare it, such as `> 0`".to_owned());
                self.error(typed.span, format!("`{what}` needs a boolean, got {ty}"), hint)
            }
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, span: Range<usize>) -> Option<Typed> {
        use BinaryOperator as B;
        let comparison = match op {
            B::And | B::Or => {
                let node = self.logic(left, op, right)?;
                return Some(Typed { node, ty: Some(Type::Bool), span, literal: false });
            }
            B::Eq => Comparison::Equal,
            B::NotEq => Comparison::NotEqual,
            B::Lt => Comparison::Less,
            B::LtEq => Comparison::LessOrEqual,
            B::Gt => Comparison::Greater,
            B::GtEq => Comparison::GreaterOrEqual,
            B::StringConcat => {
                let (left, right) = (self.expr(left), self.expr(right));
                return self.join_texts(left?, right?, span);
            }
            B::Plus => return self.arithmetic(Op::Add, left, right, span),
            B::Minus => return self.arithmetic(Op::Subtract, left, right, span),
            B::Multiply => return self.arithmetic(Op::Multiply, left, right, span),
            B::Divide => return self.arithmetic(Op::Divide, left, right, span),
            B::DuckIntegerDivide | B::MyIntegerDivide => return self.arithmetic(Op::DivideWhole, left, right, span),
            B::Modulo => return self.arithmetic(Op::Remainder, left, right, span),
            other => {
                let hint = matches!(other, B::BitwiseXor | B::PGExp).then(|| "for a power write `power(x, y)`".to_owned());
                return self.error(span, format!("the operator `{other}` is not supported"), hint);
            }
        };
        let pair = self.pair(left, right, &op.to_string(), span.clone())?;
        Some(Typed { node: Node::Compare(comparison, pair), ty: Some(Type::Bool), span, literal: false })
    }

    /// A chain of `and`s (or `or`s) becomes one node, however long it is.
    fn logic(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Node> {
        let mut operands = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op: inner, right } = rest
            && inner == op
        {
            operands.push(right);
            rest = left;
        }
        operands.push(rest);
        let word = op.to_string().to_lowercase();
        let nodes: Vec<Option<Node>> = operands.into_iter().rev().map(|o| self.boolean(o, &word)).collect();
        let nodes: Box<[Node]> = nodes.into_iter().collect::<Option<_>>()?;
        Some(if *op == BinaryOperator::And { Node::And(nodes) } else { Node::Or(nodes) })
    }

    /// Two sides that are compared. A text literal is read as the other side's type.
    fn pair(&mut self, left: &Expr, right: &Expr, what: &str, span: Range<usize>) -> Option<Box<[Node; 2]>> {
        let (left, right) = (self.expr(left), self.expr(right));
        let (left, right) = self.same_type(left?, right?, what, span)?;
        Some(Box::new([prepared(left.node, right.ty), prepared(right.node, left.ty)]))
    }

    fn same_type(&mut self, left: Typed, right: Typed, what: &str, span: Range<usize>) -> Option<(Typed, Typed)> {
        let (left, right) = match (left.literal, right.literal) {
            (true, false) => (self.read_as(left, right.ty)?, right),
            (false, true) => {
                let right = self.read_as(right, left.ty)?;
                (left, right)
            }
            _ => (left, right),
        };
        self.comparable(left.ty, right.ty, what, span)?;
        Some((left, right))
    }

    fn comparable(&mut self, left: Option<Type>, right: Option<Type>, what: &str, span: Range<usize>) -> Option<()> {
        match (left, right) {
            (Some(a), Some(b)) if merge(a, b).is_none() => {
                let hint = match (a, b) {
                    (Type::Interval, other) | (other, Type::Interval) if numeric(other) => {
                        Some("`epoch(...)` gives an interval in seconds".into())
                    }
                    (Type::Timestamp, other) | (other, Type::Timestamp) if numeric(other) => {
                        Some("`epoch(...)` gives a timestamp in seconds".into())
                    }
                    (Type::Text, other) | (other, Type::Text) => {
                        Some(format!("convert one side, such as `cast(x as {})`", sql_name(other)))
                    }
                    _ => None,
                };
                self.error(span, format!("`{}` cannot compare {a} with {b}", what.to_lowercase()), hint)
            }
            _ => Some(()),
        }
    }

    /// A text literal as a value of the wanted type; anything else as it is.
    fn read_as(&mut self, typed: Typed, wanted: Option<Type>) -> Option<Typed> {
        let (true, Some(wanted), Some(Value::Text(text))) = (typed.literal, wanted, typed.constant()) else { return Some(typed) };
        let value = match wanted {
            Type::Text => return Some(typed),
            Type::Timestamp => cast::cast(&Value::Text(text.clone()), Target::Timestamp),
            Type::Bool => cast::cast(&Value::Text(text.clone()), Target::Bool),
            Type::Interval => literals::span(text).map_or(Value::Null, Value::Interval),
            // Exactly as written, so that nothing is rounded before it is compared.
            Type::Int | Type::Decimal(_) | Type::Float => literals::number(text.trim()).unwrap_or(Value::Null),
        };
        let ty = value.type_of();
        if value.is_null() {
            let hint = (wanted == Type::Timestamp).then(|| "write it as 'YYYY-MM-DD HH:MM:SS'".to_owned());
            let message = format!("'{text}' is not {} {wanted}", if wanted == Type::Int || wanted == Type::Interval { "an" } else { "a" });
            return self.error(typed.span, message, hint);
        }
        Some(Typed { node: Node::Constant(value), ty, span: typed.span, literal: false })
    }

    /// Values of which one becomes the result: all of one type.
    fn alike(&mut self, items: Vec<Typed>, what: &str) -> Option<(Vec<Node>, Option<Type>)> {
        let mut ty: Option<Type> = None;
        for item in items.iter().filter(|i| !i.literal) {
            ty = match (ty, item.ty) {
                (None, other) | (other, None) => other,
                (Some(a), Some(b)) => match merge(a, b) {
                    Some(merged) => Some(merged),
                    None => return self.error(item.span.clone(), format!("`{what}` needs values of one type, got {a} and {b}"), None),
                },
            };
        }
        let mut read = Vec::with_capacity(items.len());
        for item in items {
            let wanted = ty.or(item.ty);
            read.push(self.read_as(item, wanted)?);
        }
        // A number read from text may have more places than the others.
        let merged = read.iter().filter_map(|i| i.ty).reduce(|a, b| merge(a, b).unwrap_or(a));
        Some((read.into_iter().map(|i| widened(i.node, i.ty, merged)).collect(), merged))
    }

    fn in_list(&mut self, of: &Expr, list: &[Expr]) -> Option<Node> {
        let of = self.expr(of);
        let items: Vec<Option<Typed>> = list.iter().map(|i| self.expr(i)).collect();
        let mut of = of?;
        let items: Vec<Typed> = items.into_iter().collect::<Option<_>>()?;
        if of.literal {
            let wanted = items.iter().find(|i| !i.literal && i.ty.is_some()).and_then(|i| i.ty);
            of = self.read_as(of, wanted)?;
        }
        let mut read = Vec::with_capacity(items.len());
        let mut merged = of.ty;
        let mut wrong = false;
        for item in items {
            let Some(item) = self.read_as(item, of.ty) else {
                wrong = true;
                continue;
            };
            wrong |= self.comparable(of.ty, item.ty, "in", item.span.clone()).is_none();
            merged = match (merged, item.ty) {
                (Some(a), Some(b)) => merge(a, b),
                (a, b) => a.or(b),
            };
            read.push(item);
        }
        if wrong {
            return None;
        }
        if read.iter().any(|i| i.constant().is_none()) {
            return Some(Node::In { of: Box::new(of.node), items: read.into_iter().map(|i| i.node).collect() });
        }
        let null = read.iter().any(|i| i.constant().is_some_and(Value::is_null));
        let values = read.into_iter().map(|i| widened(i.node, i.ty, merged)).filter_map(|n| match n {
            Node::Constant(value) if !value.is_null() => Some(value),
            _ => None,
        });
        let set = Set::new(values.collect());
        Some(Node::InSet { of: Box::new(widened(of.node, of.ty, merged)), set, null })
    }

    /// `select column from list`, and nothing more.
    fn list_query(&mut self, query: &Query) -> Option<(usize, usize)> {
        let span = span_of(query.span(), self.sql);
        let form = "the list form is `x in (select column from list)`";
        let plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
        let SetExpr::Select(select) = &*query.body else { return self.error(span, form, None) };
        let bare = select.selection.is_none() && select.distinct.is_none() && select.having.is_none();
        let ([SelectItem::UnnamedExpr(item)], [from], true, true) = (select.projection.as_slice(), select.from.as_slice(), plain, bare)
        else {
            return self.error(span, form, Some("filter by further conditions beside it".into()));
        };
        let (TableFactor::Table { name, .. }, true) = (&from.relation, from.joins.is_empty()) else { return self.error(span, form, None) };
        let column = match item {
            Expr::Identifier(column) => column,
            Expr::CompoundIdentifier(parts) if parts.len() == 2 => &parts[1],
            _ => return self.error(span, form, None),
        };
        let list = name.to_string().trim_matches('"').to_owned();
        if let Some(found) = self.scope.list(&list, &column.value) {
            return Some(found);
        }
        let known = self.scope.list_names();
        let parts = |n: &str| {
            n.split_once('(').map_or((n.to_owned(), String::new()), |(l, c)| (l.trim().to_owned(), c.trim_end_matches(')').to_owned()))
        };
        match known.iter().map(|n| parts(n)).find(|(l, _)| *l == list) {
            Some((_, columns)) => {
                let hint =
                    did_you_mean(&column.value, columns.split(',').map(str::trim)).unwrap_or_else(|| format!("its columns are {columns}"));
                self.error(span_of(column.span, self.sql), format!("the list `{list}` has no column `{}`", column.value), Some(hint))
            }
            None => {
                let hint = did_you_mean(&list, known.iter().map(|n| parts(n).0)).or_else(|| {
                    Some(if known.is_empty() {
                        format!("make it as lists/{list}.csv")
                    } else {
                        format!("the lists are {}", known.join(", "))
                    })
                });
                self.error(span_of(name.span(), self.sql), format!("unknown list `{list}`"), hint)
            }
        }
    }

    fn like(&mut self, of: &Expr, pattern: &Expr, escape: Option<&Expr>, insensitive: bool) -> Option<Node> {
        let what = if insensitive { "ilike" } else { "like" };
        let parts: Vec<Option<Typed>> = [Some(of), Some(pattern), escape].into_iter().flatten().map(|e| self.expr(e)).collect();
        let parts: Vec<Typed> = parts.into_iter().collect::<Option<_>>()?;
        for part in &parts {
            if !matches!(part.ty, None | Some(Type::Text)) {
                return self.error(part.span.clone(), format!("`{what}` needs text, got {}", named(part.ty)), None);
            }
        }
        let escape_char = match parts.get(2).map(Typed::constant) {
            None => Some(None),
            Some(Some(Value::Text(t))) => {
                let mut chars = t.chars();
                let first = chars.next();
                if chars.next().is_some() {
                    return self.error(parts[2].span.clone(), "`escape` needs one character", None);
                }
                Some(first)
            }
            Some(_) => None,
        };
        if let (Some(escape), Some(Value::Text(text))) = (escape_char, parts[1].constant()) {
            let Some(like) = Like::new(text, escape, insensitive) else {
                return self.error(parts[1].span.clone(), "the escape character stands at the end of the pattern", None);
            };
            let of = parts.into_iter().next()?;
            return Some(Node::Like(like, Box::new(of.node)));
        }
        Some(Node::LikeComputed { insensitive, args: parts.into_iter().map(|p| p.node).collect() })
    }

    fn arithmetic(&mut self, op: Op, left: &Expr, right: &Expr, span: Range<usize>) -> Option<Typed> {
        let (left, right) = (self.expr(left), self.expr(right));
        self.arithmetic_of(op, left?, right?, span)
    }

    fn arithmetic_of(&mut self, op: Op, left: Typed, right: Typed, span: Range<usize>) -> Option<Typed> {
        let (Some(a), Some(b)) = (left.ty, right.ty) else {
            // Null with anything is null.
            return Some(Typed { node: Node::Constant(Value::Null), ty: None, span, literal: false });
        };
        let symbol = match op {
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::DivideWhole => "//",
            Op::Remainder => "%",
        };
        let ty = match (op, a, b) {
            (Op::DivideWhole, Type::Int, Type::Int) => Type::Int,
            (Op::DivideWhole, a, b) if numeric(a) && numeric(b) => {
                return self.error(span, format!("`//` divides integers, got {a} and {b}"), Some("write `floor(a / b)`".into()));
            }
            (Op::Divide, a, b) if numeric(a) && numeric(b) => Type::Float,
            (Op::Multiply, Type::Decimal(x), Type::Decimal(y)) if x + y > domain::decimal::MAX_DIGITS => {
                let hint = Some("cast one side to fewer places, such as `cast(x as decimal(18, 4))`".to_owned());
                return self.error(span, format!("the product of {a} and {b} would have more than 38 places"), hint);
            }
            (Op::Multiply, Type::Decimal(x), Type::Decimal(y)) => Type::Decimal(x + y),
            (_, a, b) if numeric(a) && numeric(b) => merge(a, b)?,
            (Op::Add | Op::Subtract, Type::Timestamp, Type::Interval) | (Op::Add, Type::Interval, Type::Timestamp) => Type::Timestamp,
            (Op::Subtract, Type::Timestamp, Type::Timestamp) | (Op::Add | Op::Subtract, Type::Interval, Type::Interval) => Type::Interval,
            (Op::Multiply, Type::Interval, Type::Int) | (Op::Multiply, Type::Int, Type::Interval) => Type::Interval,
            (_, a, b) => {
                let hint = match (a, b) {
                    (Type::Timestamp, other) | (other, Type::Timestamp) if numeric(other) || other == Type::Text => {
                        Some("add a span as `interval '10 minutes'`; a time is written `timestamp '2026-01-31 12:00:00'`".to_owned())
                    }
                    (Type::Interval, _) | (_, Type::Interval) => Some("`epoch(...)` gives an interval in seconds".to_owned()),
                    (Type::Text, Type::Text) if op == Op::Add => Some("texts are joined by `||`".to_owned()),
                    (Type::Text, _) | (_, Type::Text) => Some("convert the text, such as `cast(x as decimal(18, 2))`".to_owned()),
                    _ => None,
                };
                return self.error(span, format!("`{symbol}` cannot take {a} and {b}"), hint);
            }
        };
        // The factors of an exact product keep their own scales.
        let to = Some(ty).filter(|ty| op != Op::Multiply || *ty == Type::Float);
        let sides = Box::new([prepared(left.node, to), prepared(right.node, to)]);
        Some(Typed { node: Node::Arithmetic(op, ty, sides), ty: Some(ty), span, literal: false })
    }
}

/// A type as `cast` wants it.
fn sql_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "boolean",
        Type::Int => "bigint",
        Type::Decimal(_) => "decimal(18, 2)",
        Type::Float => "double",
        Type::Timestamp => "timestamp",
        Type::Interval => "interval",
        Type::Text => "varchar",
    }
}
