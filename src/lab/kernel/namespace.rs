//! A network namespace with a thread that lives in it: entered once, never left.
//!
//! netns-rs knows the namespaces by their names (as `ip netns` does inside of a lab). Its `run` is
//! not used: a panic inside would leave the thread in the wrong namespace. Nor is its `new`: it
//! starts another thread for each, and panics when there is none. The names lie on a tmpfs in the
//! supervisor's own mount namespace, so nothing need be cleaned up.

use super::{LabError, supervisor};
use netns_rs::{Env, NetNs};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Where a lab's namespaces have their names.
#[derive(Debug, Clone)]
struct LabEnv(PathBuf);

impl Env for LabEnv {
    fn persist_dir(&self) -> PathBuf {
        self.0.clone()
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Job = Box<dyn FnOnce() -> Task + Send>;

/// A namespace and the thread in it, which runs jobs side by side on a runtime of its own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    jobs: mpsc::UnboundedSender<Job>,
    file: Arc<File>,
}

impl Drop for Namespace {
    /// Frees the name at once. The namespace itself ends with its thread, which ends when it has no
    /// more jobs to come.
    fn drop(&mut self) {
        if let Some(path) = supervisor::names().map(|folder| folder.join(&self.name)) {
            // a name that stays behind is only in the way of another lab in this process
            let _ = nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH);
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// A namespace that is being made.
pub struct Starting {
    name: String,
    jobs: mpsc::UnboundedSender<Job>,
    ready: oneshot::Receiver<Result<File, LabError>>,
}

impl Starting {
    /// Waits until its thread is in it.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn ready(self) -> Result<Namespace, LabError> {
        let file = self.ready.await.map_err(|_| gone(&self.name))??;
        Ok(Namespace { name: self.name, jobs: self.jobs, file: Arc::new(file) })
    }
}

fn gone(name: &str) -> LabError {
    LabError::Namespace { name: name.to_owned(), why: "its thread has ended".into() }
}

impl Namespace {
    /// Makes a namespace and waits for it.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn create(name: &str) -> Result<Self, LabError> {
        Self::start(name).ready().await
    }

    /// Begins to make a namespace; many can be begun at once.
    #[must_use]
    pub fn start(name: &str) -> Starting {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (tell, ready) = oneshot::channel();
        let owned = name.to_owned();
        let builder = std::thread::Builder::new().name(owned.clone()).stack_size(1 << 20);
        let ready = match builder.spawn(move || live(&owned, queue, tell)) {
            Ok(_detached) => ready,
            Err(e) => {
                let (tell, ready) = oneshot::channel();
                let why = format!(
                    "no thread can be had for it: {e}; allow more processes (ulimit -u) or memory (ulimit -v)"
                );
                let _ = tell.send(Err(LabError::Namespace { name: name.to_owned(), why }));
                ready
            }
        };
        Starting { name: name.to_owned(), jobs, ready }
    }

    /// Its name: `ip netns exec NAME` works inside of the lab.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace as a file.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Hands the thread a job; it begins at once, beside those that run. What the job opens there
    /// belongs to the namespace.
    pub fn submit<F, Fut, T>(&self, job: F) -> Submitted<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let (tell, result) = oneshot::channel();
        let sent = self.jobs.send(Box::new(move || {
            let future = job();
            Box::pin(async move {
                // nobody may be waiting any more
                let _ = tell.send(future.await);
            })
        }));
        drop(sent); // a dead thread shows as a closed channel in `wait`
        Submitted { name: self.name.clone(), result }
    }

    /// Runs a job in the namespace and waits for its result.
    ///
    /// # Errors
    /// The thread has ended, or the job panicked.
    pub async fn run<F, Fut, T>(&self, job: F) -> Result<T, LabError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        self.submit(job).wait().await
    }
}

/// A job that runs in a namespace.
#[derive(Debug)]
pub struct Submitted<T> {
    name: String,
    result: oneshot::Receiver<T>,
}

impl<T> Submitted<T> {
    /// Waits for the job's result. Cancel safe: dropping it leaves the job running.
    ///
    /// # Errors
    /// The thread has ended, or the job panicked.
    pub async fn wait(self) -> Result<T, LabError> {
        self.result.await.map_err(|_| gone(&self.name))
    }
}

/// The thread's life.
fn live(
    name: &str,
    mut queue: mpsc::UnboundedReceiver<Job>,
    tell: oneshot::Sender<Result<File, LabError>>,
) {
    let made = make(name).and_then(|file| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| LabError::Namespace { name: name.into(), why: e.to_string() })?;
        Ok((file, runtime))
    });
    let (file, runtime) = match made {
        Ok(made) => made,
        Err(e) => {
            let _ = tell.send(Err(e));
            return;
        }
    };
    if tell.send(Ok(file)).is_err() {
        return;
    }
    tokio::task::LocalSet::new().block_on(&runtime, async {
        while let Some(job) = queue.recv().await {
            tokio::task::spawn_local(job());
        }
    });
}

fn make(name: &str) -> Result<File, LabError> {
    let fail = |why: String| LabError::Namespace { name: name.to_owned(), why };
    let folder = supervisor::names()
        .ok_or_else(|| fail("the lab's supervisor has not been entered".into()))?;
    let path = folder.join(name);
    File::create_new(&path).map_err(|e| fail(format!("{}: {e}", path.display())))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| fail(e.to_string()))?;
    // by the thread's own name, which /proc has even where it is not of this pid namespace
    let own = "/proc/thread-self/ns/net";
    mount(Some(own), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| fail(format!("{own} cannot be mounted on {}: {e}", path.display())))?;
    let named = NetNs::get_from_env(name, LabEnv(folder)).map_err(|e| fail(e.to_string()))?;
    named.file().try_clone().map_err(|e| fail(e.to_string()))
}

/// Keeps IPv6 off the links to come: the lab is IPv4, and router solicitations would only cost time.
pub(super) fn quieten() {
    // a kernel without IPv6 has no such file, and then there is nothing to keep off
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

/// Makes the namespace a router. /proc/sys/net shows the namespace of the thread that opens it.
pub(super) fn forward(name: &str) -> Result<(), LabError> {
    let path = "/proc/sys/net/ipv4/ip_forward";
    std::fs::write(path, "1").map_err(|e| LabError::Refused {
        what: format!("{name}: {path} cannot be written"),
        why: e.to_string(),
        fix: "in a container, run it privileged (docker run --privileged) or mount /proc writable"
            .into(),
    })
}
