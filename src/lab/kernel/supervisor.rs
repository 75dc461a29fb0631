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
use super::wishes::{self, News, Signals, Wishes};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getegid, geteuid, getpgrp, getpid, pipe, tcgetpgrp, tcsetpgrp};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

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
    /// The lab: go on and work, and look at what the user wants meanwhile. Dropped, these end the
    /// lab as soon as there is one.
    Lab(Wishes),
}

/// Who has the terminal while the lab runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// The front and the lab together: a Ctrl-C reaches both.
    Shared,
    /// The lab alone, as long as it runs. Shells need that: they change who has it, and the group
    /// of the front has no number in the lab.
    Lent,
}

/// Enters the lab's namespaces. Call it before any thread is started: the front returns when all is
/// over, and should end with the code given; the lab returns at once.
///
/// # Errors
/// The kernel refuses the namespaces to this user, with the fix.
pub fn enter(terminal: Terminal) -> Result<Role, LabError> {
    match std::env::var(INSIDE) {
        Ok(descriptor) if getpid() == Pid::from_raw(1) => inside(&descriptor).map(Role::Lab),
        _ => front(terminal).map(Role::Front),
    }
}

pub(super) fn refused(what: &str, why: impl std::fmt::Display) -> LabError {
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

/// Leaves for new namespaces: with a user namespace, or as root without where that is refused or
/// would not do.
fn leave() -> Result<(), LabError> {
    let base = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    let (user, group) = (geteuid(), getegid());
    if user.is_root() && proc_is_partial() && unshare(base).is_ok() {
        return Ok(());
    }
    match unshare(base | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => map_user(user.as_raw(), group.as_raw()).map_err(|e| {
            let what = "the user namespace cannot be given its user";
            if e.kind() == std::io::ErrorKind::ReadOnlyFilesystem {
                let fix = "mount -o remount,rw /proc (a container: start it with --privileged)";
                return LabError::Refused {
                    what: what.into(),
                    why: "/proc is read-only".into(),
                    fix: fix.into(),
                };
            }
            refused(what, e)
        }),
        Err(Errno::EPERM | Errno::ENOSPC | Errno::EINVAL | Errno::EUSERS) if user.is_root() => {
            unshare(base).map_err(|e| refused("namespaces are refused", e))
        }
        Err(e) => Err(refused("user namespaces are refused", e)),
    }
}

/// Whether parts of /proc are covered or read-only, as containers have it: a user namespace then may
/// not mount one of its own.
pub(super) fn proc_is_partial() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc(5): the fifth field is where, the sixth how
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(4);
        let (place, how) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let read_only = how.split(',').any(|option| option == "ro");
        place.starts_with("/proc/") || (place == "/proc" && read_only)
    })
}

fn map_user(user: u32, group: u32) -> std::io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn front(terminal: Terminal) -> Result<ExitCode, LabError> {
    let signals = Signals::hold()?;
    leave()?;
    let (reader, writer) = pipe().map_err(|e| refused("a pipe", e))?;
    // the reader is inherited, the writer is not: it closes when this process ends in any way
    fcntl(&writer, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|e| refused("a pipe", e))?;
    let lent = (terminal == Terminal::Lent && has_terminal()).then_some(Loan);
    attend(reader, File::from(writer), &signals, lent.as_ref())
}

/// Whether stdin is a terminal that this process has.
fn has_terminal() -> bool {
    tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// The terminal has been lent to the lab, and comes back with this.
struct Loan;

impl Loan {
    /// Gives the terminal to a group of processes. Who does not have it may not, unless the signal
    /// that says so is blocked.
    fn give(group: Pid) {
        let mut stopping = SigSet::empty();
        stopping.add(Signal::SIGTTOU);
        let blocked = stopping.thread_block();
        // without it the lab's shell says what is missing
        let _ = tcsetpgrp(std::io::stdin(), group);
        if blocked.is_ok() {
            let _ = stopping.thread_unblock();
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        Self::give(getpgrp());
    }
}

/// How many arenas glibc's `malloc` has. It reserves 64 MiB of addresses for each, up to eight of them
/// for each processor: a limit on memory is then used up before the many threads of a lab have their
/// stacks, and one that starts without panics or is killed.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Whether this process may only have so many addresses (`ulimit -v`).
fn memory_is_limited() -> bool {
    getrlimit(Resource::RLIMIT_AS).is_ok_and(|(soft, _)| soft != RLIM_INFINITY)
}

/// Starts process 1 and waits for it. What the user wants is passed on, and process 1 then ends in
/// good order.
fn attend(
    reader: OwnedFd,
    mut writer: File,
    signals: &Signals,
    lent: Option<&Loan>,
) -> Result<ExitCode, LabError> {
    let fail = |e: std::io::Error| refused("the lab's process cannot be started", e);
    let mut command = Command::new("/proc/self/exe");
    command.args(std::env::args_os().skip(1)).env(INSIDE, reader.as_raw_fd().to_string());
    if lent.is_some() {
        command.process_group(0);
    }
    if memory_is_limited() && std::env::var_os(ARENAS).is_none() {
        command.env(ARENAS, "1");
    }
    let mut child = command.spawn().map_err(fail)?;
    drop(reader);
    if let (Some(_), Ok(pid)) = (lent, i32::try_from(child.id())) {
        Loan::give(Pid::from_raw(pid));
    }
    let status = loop {
        match signals.next()? {
            News::Child => {
                if let Some(status) = child.try_wait().map_err(fail)? {
                    break status;
                }
            }
            News::Wish(wish) => {
                // it may just have ended
                let _ = writer.write_all(&[wish.byte()]);
            }
        }
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        (None, signal) => Err(LabError::Experiment(format!(
            "the lab's process was killed (signal {}); nothing of it is left. If nobody killed it, \
             memory ran out, or a limit on it (ulimit -v)",
            signal.unwrap_or(0)
        ))),
    }
}

fn inside(descriptor: &str) -> Result<Wishes, LabError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| refused("prctl", e))?;
    Signals::release()?;
    let wishes = watch(descriptor)?;
    settle()?;
    Ok(wishes)
}

/// Makes the mounts of new namespaces the lab's own, with a folder for names.
pub(super) fn settle() -> Result<(), LabError> {
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

/// Takes the wishes that come from the front, and ends this process when that is gone.
fn watch(descriptor: &str) -> Result<Wishes, LabError> {
    let number: i32 =
        descriptor.parse().map_err(|e| refused(&format!("{INSIDE} is no descriptor"), e))?;
    let pipe = File::open(format!("/proc/self/fd/{number}"))
        .map_err(|e| refused("the front's pipe", e))?;
    // programs run in the lab need not hold it
    let _ = nix::unistd::close(number);
    wishes::follow(pipe)
}
