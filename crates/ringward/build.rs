//! Tells the binary which commit it is built from: `RINGWARD_BUILT_FROM` is " (COMMIT)", or empty where nobody knows.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RINGWARD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // Packagers build from an archive, and know.
    let commit = std::env::var("RINGWARD_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    let built_from =
        commit.or_else(from_git).map(|commit| format!(" ({})", commit.trim())).unwrap_or_default();
    println!("cargo::rustc-env=RINGWARD_BUILT_FROM={built_from}");
}

/// The commit of the repository whose root is this workspace; `None` without git, in an archive, or in an archive that
/// was unpacked inside of somebody else's repository.
fn from_git() -> Option<String> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let workspace = here.ancestors().nth(2)?;
    let root = git(workspace, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&root).canonicalize().ok()? != workspace.canonicalize().ok()? {
        return None;
    }
    // HEAD moves when another branch is checked out, a branch when something is committed to it. A branch may be packed,
    // and gets a file of its own then: so the folder is watched.
    for name in ["HEAD", "packed-refs", "refs/heads"] {
        let path = git(workspace, &["rev-parse", "--git-path", name]).map(|path| workspace.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(workspace, &["rev-parse", "--short=12", "HEAD"])
}

fn git(workspace: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(workspace).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
