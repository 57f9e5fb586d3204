//! Where the programs under test are.

use std::path::PathBuf;

/// A program of this build. `make test` builds the programs before the tests; cargo alone would not.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the system knows which program runs");
    // target/<profile>/deps/it-<hash> -> target/<profile>/<name>
    let folder = own.ancestors().nth(2).expect("a test program lies in target/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `make test` (or `cargo build --workspace --bins`)",
        path.display()
    );
    path
}
