//! A file that is replaced when its new content is whole, and not before.
//!
//! What is written lies beside the file until it is all there, then takes its name; so a failed
//! run, a full disk or a crash leaves the old file as it was. On Linux the new one has no name at
//! all until then, and nothing is left even by `kill -9`. Pipes and devices are written directly,
//! and so is a file that stands alone: one whose folder may not be written, or that is a mount of
//! its own (as containers are given single files).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Links that are followed before they count as a circle (Linux has the same bound).
const LINKS: usize = 40;

/// Where a document will be.
#[derive(Debug)]
pub struct Place {
    to: PathBuf,
    way: Way,
}

/// How it gets there.
#[derive(Debug)]
enum Way {
    /// To what takes it as it comes: a pipe, a device, or what stdout or stderr goes to.
    Stream(File),
    /// Into a file that cannot be replaced.
    InPlace(File),
    /// Beside, then renamed. The file that is replaced gives its permissions.
    Beside { new: File, part: Part, old: Option<File> },
}

impl Place {
    /// Makes sure that there is a place, without touching what is there. A pipe waits here for its
    /// reader, as it does in a shell.
    ///
    /// # Errors
    /// The file could not be written, or there is no such folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let to = follow(path)?;
        let old = match OpenOptions::new().write(true).open(&to) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let way = if let Some(old) = old {
            match standard(&old)? {
                Some(stream) => Way::Stream(stream),
                None if !old.metadata()?.is_file() => Way::Stream(old),
                None => match beside(&to) {
                    Ok((new, part)) => Way::Beside { new, part, old: Some(old) },
                    Err(_) => Way::InPlace(old),
                },
            }
        } else {
            let (new, part) = beside(&to)?;
            Way::Beside { new, part, old: None }
        };
        Ok(Self { to, way })
    }

    /// The file itself, links followed: two places with one file are one.
    pub fn file(&self) -> &Path {
        &self.to
    }

    /// Whether what is written is a file of its own: two documents cannot be one.
    pub const fn is_file(&self) -> bool {
        !matches!(self.way, Way::Stream(_))
    }

    /// Whether a file that is there survives a failure to write.
    pub const fn keeps(&self) -> bool {
        matches!(self.way, Way::Beside { old: Some(_), .. })
    }

    /// Writes the document, whole or not at all where that can be had. A reader of a pipe that has
    /// gone away is no failure.
    ///
    /// # Errors
    /// It could not be written; what was there is still there.
    pub fn write(self, document: &[u8]) -> io::Result<()> {
        match self.way {
            Way::InPlace(file) => overwrite(file, document),
            Way::Stream(mut file) => match file.write_all(document) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                done => done,
            },
            Way::Beside { mut new, part, old } => {
                new.write_all(document)?;
                if let Some(old) = &old {
                    keep(old, &new)?;
                }
                // some file systems tell only now that they are full
                new.sync_all()?;
                match (part.take_name(&new, &self.to), old) {
                    // a mount of its own, which cannot be renamed over
                    (Err(error), Some(old)) if is_fixed(&error) => overwrite(old, document),
                    (done, _) => done,
                }
            }
        }
    }
}

/// The file at the end of a path's links, which need not be there yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        match fs::canonicalize(&at) {
            Ok(whole) => return Ok(if is_descriptor(path) { path.to_owned() } else { whole }),
            // /proc/self/fd names pipes by links that lead nowhere
            Err(_) if at.exists() => return Ok(at),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let Ok(link) = fs::read_link(&at) else { return Ok(whole_folder(&at)) };
        at = at.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(io::Error::other("its links lead round in a circle"))
}

/// `/dev/stdout` and its kind: opened by that name it is what the process has open.
fn is_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/proc"].iter().any(|folder| path.starts_with(folder))
        || ["/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name))
}

/// A name whose folder has no links and no `..`, so that equal files have equal names.
fn whole_folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// What stdout or stderr writes to, when that is this file: another one in its place would have the
/// rest of the output go to nowhere. It goes on where they are.
#[cfg(unix)]
fn standard(file: &File) -> io::Result<Option<File>> {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    let this = file.metadata()?;
    let open =
        [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
    Ok(open.into_iter().flatten().map(File::from).find(|open| {
        let same = |open: fs::Metadata| (open.dev(), open.ino()) == (this.dev(), this.ino());
        open.metadata().is_ok_and(same)
    }))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)] // the shape of the other one
fn standard(_: &File) -> io::Result<Option<File>> {
    Ok(None)
}

/// Writes into what is there.
fn overwrite(mut file: File, document: &[u8]) -> io::Result<()> {
    file.write_all(document)?;
    // last, so that a failure leaves what can be left
    file.set_len(document.len() as u64)?;
    file.sync_all()
}

/// Gives the new file the permissions and, where that is allowed, the owner of the old one.
fn keep(old: &File, new: &File) -> io::Result<()> {
    let meta = old.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // only root may give files away
        let _ = std::os::unix::fs::fchown(new, Some(meta.uid()), Some(meta.gid()));
    }
    new.set_permissions(meta.permissions())
}

/// Whether a file cannot be renamed over, though it can be written.
fn is_fixed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices)
}

/// The name of a file in the same folder that is to take another: its own goes when that did not
/// come to pass. A file that has none yet ends with its last descriptor.
#[derive(Debug)]
struct Part(Option<PathBuf>);

fn beside(to: &Path) -> io::Result<(File, Part)> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = OpenOptions::new();
        options.write(true).mode(0o666).custom_flags(libc::O_TMPFILE);
        // not every file system can; and it gets its name by way of /proc
        if Path::new("/proc/self/fd").is_dir()
            && let Ok(file) = options.open(folder)
        {
            return Ok((file, Part(None)));
        }
    }
    loop {
        let part = spare_name(folder);
        match OpenOptions::new().write(true).create_new(true).open(&part) {
            Ok(file) => return Ok((file, Part(Some(part)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A name that this process has not used.
fn spare_name(folder: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".natscope-{}-{number}.part", std::process::id()))
}

impl Part {
    /// Puts the file in the place of another, in one step.
    fn take_name(mut self, file: &File, to: &Path) -> io::Result<()> {
        let part = match &mut self.0 {
            Some(part) => part,
            none => none.insert(name(file, to)?),
        };
        fs::rename(part, to)
        // dropped, it finds no file of its name any more
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.0 {
            let _ = fs::remove_file(part);
        }
    }
}

/// Gives a nameless file a name beside its place: only a rename can replace a file.
#[cfg(target_os = "linux")]
fn name(file: &File, to: &Path) -> io::Result<PathBuf> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use std::os::fd::AsRawFd as _;
    let from = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    loop {
        let part = spare_name(to.parent().unwrap_or(Path::new(".")));
        match nix::unistd::linkat(AT_FDCWD, &from, AT_FDCWD, &part, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => return Ok(part),
            Err(nix::errno::Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Here no file is without a name.
#[cfg(not(target_os = "linux"))]
fn name(_: &File, _: &Path) -> io::Result<PathBuf> {
    Err(io::ErrorKind::Unsupported.into())
}
