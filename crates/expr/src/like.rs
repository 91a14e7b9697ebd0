//! `like` and `ilike`: `%` is any text, `_` any one character. A pattern is taken apart once; the common shapes become plain text searches.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Like {
    shape: Shape,
    insensitive: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Equal(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Any(Box<[Token]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

impl Like {
    /// `None` if an escape character ends the pattern. An escape makes the next character stand for itself.
    pub(crate) fn new(pattern: &str, escape: Option<char>, insensitive: bool) -> Option<Self> {
        let folded = if insensitive { crate::text::lower(pattern) } else { pattern.to_owned() };
        let mut tokens = Vec::new();
        let mut chars = folded.chars();
        while let Some(c) = chars.next() {
            let token = match c {
                c if Some(c) == escape => Token::Char(chars.next()?),
                '%' if tokens.last() == Some(&Token::Many) => continue,
                '%' => Token::Many,
                '_' => Token::One,
                c => Token::Char(c),
            };
            tokens.push(token);
        }
        Some(Self { shape: shape(tokens), insensitive })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.insensitive && !text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            return self.shape.matches(&crate::text::lower(text));
        }
        self.shape.matches(text)
    }
}

impl Shape {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(t) => text == &**t,
            Self::Prefix(t) => text.starts_with(&**t),
            Self::Suffix(t) => text.ends_with(&**t),
            Self::Contains(t) => text.contains(&**t),
            Self::Any(tokens) => walk(tokens, text),
        }
    }
}

fn shape(tokens: Vec<Token>) -> Shape {
    let (open_start, open_end) = (tokens.first() == Some(&Token::Many), tokens.last() == Some(&Token::Many));
    let inner = match tokens.as_slice() {
        [Token::Many] => &[][..],
        [Token::Many, inner @ .., Token::Many] | [Token::Many, inner @ ..] | [inner @ .., Token::Many] | inner => inner,
    };
    let literal: Option<String> = inner
        .iter()
        .map(|t| match t {
            Token::Char(c) => Some(*c),
            _ => None,
        })
        .collect();
    match (literal, open_start, open_end) {
        (Some(t), false, false) => Shape::Equal(t.into()),
        (Some(t), false, true) => Shape::Prefix(t.into()),
        (Some(t), true, false) => Shape::Suffix(t.into()),
        (Some(t), true, true) => Shape::Contains(t.into()),
        (None, ..) => Shape::Any(tokens.into()),
    }
}

/// Greedy, going back to the last `%` where it fails: at worst pattern times text, and no recursion.
fn walk(tokens: &[Token], text: &str) -> bool {
    let (mut rest, mut at) = (text, 0);
    let mut back: Option<(usize, &str)> = None;
    loop {
        let mut after = rest.chars();
        match (tokens.get(at), after.next()) {
            (None, None) => return true,
            (Some(Token::Many), _) => {
                back = Some((at + 1, rest));
                at += 1;
                continue;
            }
            (Some(Token::One), Some(_)) => {
                at += 1;
                rest = after.as_str();
                continue;
            }
            (Some(Token::Char(c)), Some(d)) if *c == d => {
                at += 1;
                rest = after.as_str();
                continue;
            }
            _ => {}
        }
        let Some((token, from)) = back else { return false };
        let mut chars = from.chars();
        if chars.next().is_none() {
            return false;
        }
        back = Some((token, chars.as_str()));
        at = token;
        rest = chars.as_str();
    }
}
