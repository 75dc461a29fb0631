//! The supervisor: puts the program into user, mount, pid and network namespaces of its own.
//!
//! Two processes. The *front* (what the user started) leaves for new namespaces and starts this
//! same program again as process 1 of the new pid namespace; then it only waits. Process 1, the
//! *lab*, does all the work. When the front dies the kernel kills process 1 (its parent-death
//! signal; and a pipe from the front says so too, for the moment before that signal was asked for).
//! When process 1 dies, the kernel kills everything in its pid namespace, and with the last process
//! go the mounts, links and network namespaces. No order of deaths leaves anything behind, and
//! no file is written outside of a tmpfs that only the lab sees.

use super::LabError;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid, getpid, pipe};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use tokio::signal::unix::{SignalKind, signal};

/// Tells process 1 that it is that, and the number of the pipe's descriptor.
pub const INSIDE: &str = "NATSCOPE_LAB_INSIDE";

/// Folders that a tmpfs for the names of namespaces may cover: the usual one, or one that nobody has work
/// in. None is made, because that would leave a trace.
const NAME_FOLDERS: [&str; 4] =
    ["/run/netns", "/sys/kernel/debug", "/sys/fs/fuse/connections", "/mnt"];

static NAMES: OnceLock<PathBuf> = OnceLock::new();

/// The folder of the namespaces' names, once inside.
pub fn names() -> Option<PathBuf> {
    NAMES.get().cloned()
}

/// Who the caller is now.
#[derive(Debug)]
pub enum Role {
    /// The front: the lab has run and ended with this code.
    Front(ExitCode),
    /// The lab: go on and work.
    Lab,
}

/// Enters the lab's namespaces. Call it before any thread is started: the front returns when all is
/// over, and should end with the code given; the lab returns at once.
///
/// # Errors
/// The kernel refuses the namespaces to this user, with the fix.
pub fn enter() -> Result<Role, LabError> {
    match std::env::var(INSIDE) {
        Ok(descriptor) if getpid() == Pid::from_raw(1) => inside(&descriptor).map(|()| Role::Lab),
        _ => front().map(Role::Front),
    }
}

fn refused(what: &str, why: impl std::fmt::Display) -> LabError {
    LabError::Refused { what: what.to_owned(), why: why.to_string(), fix: fix_of_refusal() }
}

/// The command that most likely allows namespaces here.
pub(super) fn fix_of_refusal() -> String {
    let read = |path: &str| std::fs::read_to_string(path).map(|s| s.trim().to_owned()).ok();
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run it as root"
            .into();
    }
    if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1, or run it as root".into();
    }
    if read("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return "sudo sysctl -w user.max_user_namespaces=10000, or run it as root".into();
    }
    "run it as root; in a container, start that with --privileged".into()
}

/// Leaves for new namespaces: with a user namespace, or as root without where that is refused.
fn leave() -> Result<(), LabError> {
    let base = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    let (user, group) = (geteuid(), getegid());
    match unshare(base | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => map_user(user.as_raw(), group.as_raw())
            .map_err(|e| refused("the user namespace cannot be given its user", e)),
        Err(Errno::EPERM | Errno::ENOSPC | Errno::EINVAL | Errno::EUSERS) if user.is_root() => {
            unshare(base).map_err(|e| refused("namespaces are refused", e))
        }
        Err(e) => Err(refused("user namespaces are refused", e)),
    }
}

fn map_user(user: u32, group: u32) -> std::io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn front() -> Result<ExitCode, LabError> {
    leave()?;
    let (reader, writer) = pipe().map_err(|e| refused("a pipe", e))?;
    // the reader is inherited, the writer is not: it closes when this process ends in any way
    fcntl(&writer, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|e| refused("a pipe", e))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| refused("the front's runtime", e))?;
    let code = runtime.block_on(attend(reader));
    drop(writer);
    code
}

/// Starts process 1 and waits for it; signals that ask for an end are passed on, and process 1
/// then ends in good order.
async fn attend(reader: OwnedFd) -> Result<ExitCode, LabError> {
    let fail = |e: std::io::Error| refused("the lab's process cannot be started", e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(fail)?;
    let mut child = tokio::process::Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(INSIDE, reader.as_raw_fd().to_string())
        .spawn()
        .map_err(fail)?;
    drop(reader);
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let pass = |signal: Signal| {
        if let Some(pid) = pid {
            // it may just have ended
            let _ = kill(pid, signal);
        }
    };
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(fail)?,
            _ = interrupt.recv() => pass(Signal::SIGINT),
            _ = terminate.recv() => pass(Signal::SIGTERM),
            _ = hangup.recv() => pass(Signal::SIGTERM),
        }
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        (None, signal) => Err(LabError::Experiment(format!(
            "the lab's process was killed (signal {}); nothing of it is left",
            signal.unwrap_or(0)
        ))),
    }
}

fn inside(descriptor: &str) -> Result<(), LabError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| refused("prctl", e))?;
    watch(descriptor)?;
    // nothing mounted here may show outside
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(|e| refused("mounts cannot be made private", e))?;
    // for `ps` in the lab's shell; refused where parts of /proc are masked, and not needed
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let _ = mount(Some("proc"), "/proc", Some("proc"), quiet, None::<&str>);
    let mut last = Errno::ENOENT;
    for folder in NAME_FOLDERS {
        match mount(Some("tmpfs"), folder, Some("tmpfs"), quiet, Some("mode=755,size=1m")) {
            Ok(()) => {
                NAMES.get_or_init(|| PathBuf::from(folder));
                return Ok(());
            }
            Err(e) => last = e,
        }
    }
    Err(refused(&format!("no tmpfs can be mounted on any of {}", NAME_FOLDERS.join(", ")), last))
}

/// Ends this process when the front is gone.
fn watch(descriptor: &str) -> Result<(), LabError> {
    let number: i32 =
        descriptor.parse().map_err(|e| refused(&format!("{INSIDE} is no descriptor"), e))?;
    let mut pipe = File::open(format!("/proc/self/fd/{number}"))
        .map_err(|e| refused("the front's pipe", e))?;
    // programs run in the lab need not hold it
    let _ = nix::unistd::close(number);
    std::thread::Builder::new()
        .name("front-watch".into())
        .stack_size(64 << 10)
        .spawn(move || {
            let _ = pipe.read(&mut [0]);
            std::process::exit(1);
        })
        .map_err(|e| refused("a thread", e))?;
    Ok(())
}
