//! Database errors, sorted by what the caller can do about them.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

/// What went wrong at the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be had: transient, try again later.
    #[error("the database cannot be reached")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// A statement failed. See [`Error::is_unavailable`].
    #[error("a statement failed")]
    Statement(#[from] tokio_postgres::Error),
    /// A row holds a code this build does not know.
    #[error(transparent)]
    Unknown(#[from] crate::domain::Unknown),
    /// A stored JSON column does not have its shape.
    #[error("a stored value has another shape than this build knows")]
    Shape(#[from] serde_json::Error),
    /// A statement took longer than its deadline.
    #[error("a statement took longer than its deadline")]
    Deadline,
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<std::io::Error>() {
            return true;
        }
        next = cause.source();
    }
    false
}

impl Error {
    /// Whether the same call may work later without anybody's help: the server is away, restarting or overloaded.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Pool(_) | Error::Deadline => true,
            Error::Unknown(_) | Error::Shape(_) => false,
            Error::Statement(error) => match error.code() {
                // Connection exceptions (08), operator intervention (57: shutdown, crash, timeout), insufficient resources (53),
                // a lock not had in time, a transaction ended for idling, a server that is read-only for now.
                Some(code) => {
                    let class = code.code();
                    class.starts_with("08")
                        || class.starts_with("57")
                        || class.starts_with("53")
                        || matches!(class, "55P03" | "25P03" | "25006")
                        || self.is_conflict()
                }
                // Without a code it is either the connection, or a mistake between this build and the schema.
                None => error.is_closed() || is_io(error),
            },
        }
    }

    /// Whether the statement lost against a concurrent one and should be tried once more at once.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.code(), Some(code) if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE)
    }

    /// Whether a row that was not to be waited for is held by somebody else.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.code(), Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE)
    }

    /// The violated constraint, if that is what happened.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Error::Statement(error) => error.as_db_error()?.constraint(),
            _ => None,
        }
    }

    /// The whole chain in one line, for a log. Server messages never hold parameter values; details might, so they are left out.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Error::Statement(error) => error.code(),
            _ => None,
        }
    }
}
