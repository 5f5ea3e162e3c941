//! How the old rows of a table are gone through: in the order of their age, from where the last batch ended.

use time::OffsetDateTime;

/// A place in the order of age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The time of the last row that was looked at.
    pub at: OffsetDateTime,
    /// Its id, where several rows can be of one time; else empty.
    pub id: String,
}

/// The rows that a batch may look at.
#[derive(Clone, Copy, Debug)]
pub struct Window<'w> {
    /// Where the batch before ended. What was deleted before it is not read again.
    pub from: &'w Place,
    /// Only rows that are older.
    pub before: OffsetDateTime,
    /// So many at the most.
    pub limit: i64,
}

/// What a batch came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Rows that were looked at; fewer than the limit means that there are no more.
    pub looked_at: i64,
    /// Rows that were deleted.
    pub deleted: u64,
    /// Where it ended; none where there was nothing to look at.
    pub reached: Option<Place>,
}

impl Swept {
    /// A batch that deleted all that it looked at, up to a time.
    pub(crate) fn all(deleted: i64, reached: Option<OffsetDateTime>) -> Self {
        Self {
            looked_at: deleted,
            deleted: u64::try_from(deleted).unwrap_or_default(),
            reached: reached.map(|at| Place { at, id: String::new() }),
        }
    }
}
