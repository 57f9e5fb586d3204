//! Python for tests: what others have written to judge what Herald sends.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of an environment with what `tests/python/requirements.txt` names, made once in `target/python`.
///
/// # Panics
/// With what to do, when it cannot be made.
#[must_use]
pub fn environment(root: &Path) -> PathBuf {
    let made = Command::new(root.join("deploy/venv"))
        .arg(root.join("target/python"))
        .arg(root.join("tests/python/requirements.txt"))
        .output()
        .expect("deploy/venv can be run");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "no Python for this test: {said}");
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}
