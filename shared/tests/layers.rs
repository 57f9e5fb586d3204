//! The layers of this crate: which module may use which. Modules of one crate may be cyclic without complaint, so this
//! test complains.

use std::fs;
use std::path::{Path, PathBuf};

/// Module and the modules it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("batch", &[]),
    ("clock", &[]),
    ("lifecycle", &[]),
    ("reconnect", &[]),
    ("secrets", &[]),
    ("config", &["domain", "links", "secrets"]),
    ("telemetry", &["config"]),
    ("db", &["domain", "secrets"]),
    ("links", &["db", "domain", "secrets"]),
    ("amqp", &["domain", "reconnect"]),
    ("serve", &[]),
    ("ops", &["db", "serve"]),
];

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every `crate::module` a file names.
fn used(text: &str) -> Vec<String> {
    let rest = text.split("crate::").skip(1);
    rest.flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => {
            group.split('}').next().unwrap_or("").split(',').map(|name| name.trim().to_owned()).collect()
        }
        None => vec![rest.to_owned()],
    })
    .map(|name| name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    .filter(|name: &String| !name.is_empty())
    .collect()
}

#[test]
fn modules_use_only_the_layers_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 20, "looked in the wrong folder");
    for file in files {
        let inside = file.strip_prefix(&source).unwrap();
        let module = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if module == "lib" {
            continue;
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("module {module} has no layer: give it one here"));
        for name in used(&fs::read_to_string(&file).unwrap()) {
            let fine = name == module || allowed.contains(&name.as_str());
            assert!(fine, "{} uses {name}, which {module} may not", inside.display());
        }
    }
}
