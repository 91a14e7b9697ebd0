//! The e-commerce project that ships in the binary.

use domain::{Error, Result};
use project::{Diagnostic, Project};
use std::path::Path;

#[derive(rust_embed::RustEmbed)]
#[folder = "../../projects/ecommerce"]
struct Shipped;

/// Its files, sorted by path.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        Shipped::iter().filter_map(|path| Shipped::get(&path).map(|f| (path.to_string(), f.data.into_owned()))).collect();
    files.sort();
    files
}

pub fn project() -> Result<Project, Vec<Diagnostic>> {
    Project::from_files(files())
}

/// Writes it into a folder that does not exist or is empty.
pub fn write(dir: &Path) -> Result<usize> {
    let cannot =
        |e: std::io::Error| Error::stop(format!("cannot write into {}", dir.display()), "choose a folder that you may write to").because(e);
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::stop(format!("{} is not empty", dir.display()), "choose a new folder, or empty this one"));
    }
    let files = files();
    for (path, bytes) in &files {
        let to = dir.join(path);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(cannot)?;
        }
        std::fs::write(&to, bytes).map_err(cannot)?;
    }
    Ok(files.len())
}
