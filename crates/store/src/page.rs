//! Pages that stay stable while rows arrive: a cursor names the last row that was seen, not a count of rows to skip.
//! Cursors are opaque to callers; they are safe in a URL as they stand.

use domain::{Action, Error, Micros, Result, Severity};

/// The most items a page holds, whatever was asked.
pub const MAX_PAGE: usize = 1000;

/// Which page, and how long.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Taken as at least 1 and at most [`MAX_PAGE`].
    pub limit: usize,
    /// `next` of the page before; none for the first.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 100, cursor: None }
    }
}

/// Some rows, and where to go on.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// None when there is nothing more.
    pub next: Option<String>,
}

/// All that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct PredictionFilter {
    pub decision: Option<Action>,
    pub account_id: Option<String>,
    /// Taken at this time or later.
    pub since: Option<Micros>,
    /// Taken before this time.
    pub until: Option<Micros>,
}

/// All that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    pub severity: Option<Severity>,
    /// The rule's name.
    pub alert_type: Option<String>,
    pub account_id: Option<String>,
}

/// Where a page ended: descending, so rows before (sequence, ordinal) come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) sequence: i64,
    pub(crate) ordinal: i64,
}

impl Cursor {
    pub(crate) const START: Self = Self { sequence: i64::MAX, ordinal: i64::MAX };

    pub(crate) fn of(page: &PageRequest) -> Result<Self> {
        let Some(text) = &page.cursor else { return Ok(Self::START) };
        let parse = |part: &str| part.parse::<u32>().ok().map(i64::from);
        let wrong = || Error::reject("the cursor is not one that a page gave; leave it out to start at the first page");
        let (sequence, ordinal) = text.split_once('-').ok_or_else(wrong)?;
        // Digits only: `parse` alone would also take a sign.
        if !sequence.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(Self { sequence: sequence.parse().map_err(|_| wrong())?, ordinal: parse(ordinal).ok_or_else(wrong)? })
    }

    pub(crate) fn text(self) -> String {
        format!("{}-{}", self.sequence, self.ordinal)
    }
}

impl PageRequest {
    pub(crate) fn rows(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }
}

impl<T> Page<T> {
    /// From one row more than was asked: that row only tells that there is a next page.
    pub(crate) fn cut(mut rows: Vec<(Cursor, T)>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|(cursor, _)| cursor.text()) } else { None };
        Self { items: rows.into_iter().map(|(_, item)| item).collect(), next }
    }
}
