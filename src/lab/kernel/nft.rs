//! Rule sets are text for `nft -f -`, run in the namespace of the calling thread.

use super::LabError;
use crate::lab::system::System;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The installed `nft`.
#[derive(Debug, Clone)]
pub struct Nft(PathBuf);

/// Finds `nft` in PATH or in the folders of system programs, which ordinary users do not have there.
///
/// # Errors
/// It is not installed.
pub fn find() -> Result<Nft, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("nft"))
        .find(|file| file.is_file())
        .map(Nft)
        .ok_or_else(|| LabError::Refused {
            what: "the program nft is missing".into(),
            why: "the lab's NATs are nftables rules".into(),
            fix: "apt-get install nftables".into(),
        })
}

/// The versions of the kernel and of nft, and ours.
#[must_use]
pub fn system() -> System {
    let kernel = nix::sys::utsname::uname().ok();
    let kernel = kernel.as_ref().and_then(|uname| uname.release().to_str());
    let nft = find().ok().and_then(|nft| {
        std::process::Command::new(nft.path()).arg("--version").stdin(Stdio::null()).output().ok()
    });
    let nft = nft.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    System::new(kernel, nft.as_deref())
}

impl Nft {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Loads a rule set into the namespace of this thread: all of it, or nothing.
    pub(super) async fn apply(&self, namespace: &str, rules: &str) -> Result<(), LabError> {
        let fail = |why: String| LabError::Rules { name: namespace.to_owned(), why };
        let mut child = Command::new(&self.0)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| fail(format!("{}: {e}", self.0.display())))?;
        if let Some(mut stdin) = child.stdin.take() {
            // when it ends early its own message says why
            let _ = stdin.write_all(rules.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|e| fail(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// The JSON of a set of the lab's table, in the namespace of this thread.
    pub(super) async fn set(&self, namespace: &str, name: &str) -> Result<String, LabError> {
        let fail = |why: String| LabError::Rules { name: namespace.to_owned(), why };
        let output = Command::new(&self.0)
            .args(["-j", "list", "set", "ip", "natscope", name])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|e| fail(format!("{}: {e}", self.0.display())))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
