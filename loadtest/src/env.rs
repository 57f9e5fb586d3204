//! Where the servers are: the environment, over a file as `make run` writes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

/// Names and values from the file; the real environment wins.
pub(crate) struct Env {
    file: HashMap<String, String>,
    path: PathBuf,
}

impl Env {
    /// Reads `path` if it exists.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { file: parse(&text), path: path.to_owned() })
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.file.get(name).cloned()).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> anyhow::Result<String> {
        self.get(name).ok_or_else(|| {
            let path = self.path.display();
            anyhow!(
                "{name} is not set: export it, or name the file that `make run` wrote with --env (now {path})"
            )
        })
    }
}

/// `NAME=value` lines; `export`, quotes, comments and empty lines as in a shell file.
fn parse(text: &str) -> HashMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim()).to_owned()))
        .collect()
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_files_are_read() {
        let values = parse("# x=1\nA=1\nexport B='two words'\n C = \"a=b\" \nnonsense\n");
        assert_eq!(
            (values["A"].as_str(), values["B"].as_str(), values["C"].as_str()),
            ("1", "two words", "a=b")
        );
        assert_eq!(values.len(), 3);
    }
}
