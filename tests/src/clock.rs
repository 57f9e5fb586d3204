//! The clock of a process, to be moved while it runs. By libfaketime, where the Debian package of that name is installed.

use std::path::{Path, PathBuf};

/// A clock that is ours to move.
pub struct Clock {
    shim: PathBuf,
    /// Its distance from the machine's; the process reads it once a second.
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, for processes that are given its environment; its file is in `folder`. `None` without libfaketime.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn of(name: &str, folder: &Path) -> Option<Clock> {
        let mut folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        let shim = folders.find_map(|folder| {
            let shim = folder.path().join("faketime/libfaketimeMT.so.1");
            shim.exists().then_some(shim)
        })?;
        let clock = Clock { shim, file: folder.join(format!("{name}.clock")) };
        clock.set("+0");
        Some(clock)
    }

    /// What a process needs in its environment from its start on.
    #[must_use]
    pub fn env(&self) -> [(String, String); 4] {
        let text = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", text(&self.shim)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // A clock that is set does not move what counts from the start of the machine.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Puts it so many seconds ahead ("+7200") or back ("-7200"), within a second.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, offset: &str) {
        // In one step: half a number would be another time.
        let new = self.file.with_extension("new");
        std::fs::write(&new, offset)
            .and_then(|()| std::fs::rename(&new, &self.file))
            .expect("a clock can be set");
    }
}
