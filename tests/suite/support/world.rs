//! Worlds of namespaces for tests: foreign NATs, faulty servers. Nothing on the host is touched.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds after which a world is ended, whatever it does.
const LONGEST: &str = "90";

/// The facts that a run of `natscope probe` printed, and its exit code.
#[derive(Debug)]
pub struct Probed {
    pub code: i32,
    pub report: Value,
}

/// What is true of a NAT, by the names of the report. Axes that are not listed are not checked.
pub type Truth = &'static [(&'static str, &'static str)];

/// Runs `body` in a world of its own (see `world.sh`), and gives what `probe` wrote, by `names`.
/// `None`: the lab cannot run here, and that was said.
pub fn world<const N: usize>(needs: &[&str], body: &str, names: [&str; N]) -> Option<[Probed; N]> {
    if let Some(reason) = missing(needs) {
        super::skip(reason);
        return None;
    }
    Some(run(body, |out, said| names.map(|name| read(out, name, said))))
}

/// Runs `body` in a world; `take` gets the folder with what it wrote, and what it said.
pub fn run<T>(body: &str, take: impl FnOnce(&Path, &str) -> T) -> T {
    let out = tempfile::tempdir().expect("a folder for results");
    let script = format!("{}\n{body}", include_str!("world.sh"));
    let file = out.path().join("script.sh");
    std::fs::write(&file, &script).expect("written");
    let output = sandbox()
        .args(["sh".as_ref(), file.as_os_str()])
        .env("NATSCOPE", env!("CARGO_BIN_EXE_natscope"))
        .env("SELF", std::env::current_exe().expect("known"))
        .env("OUT", out.path())
        .stdin(Stdio::null())
        .output()
        .expect("the sandbox starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the world failed ({}):\n{said}", output.status);
    take(out.path(), &said)
}

fn read(out: &Path, name: &str, said: &str) -> Probed {
    let text = |extension| {
        std::fs::read_to_string(out.join(format!("{name}.{extension}")))
            .unwrap_or_else(|error| panic!("{name}.{extension}: {error}\n{said}"))
    };
    let code = text("code").trim().parse().expect("an exit code");
    let report = serde_json::from_str(&text("json"))
        .unwrap_or_else(|error| panic!("{name}: exit code {code}, {error}\n{said}"));
    Probed { code, report }
}

/// `unshare` with everything private: mounts, network, processes; a user namespace unless root.
fn sandbox() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", LONGEST, "unshare"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child"]);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

/// Why a world cannot be built here; `needs` names commands, and files to be written to.
pub fn missing(needs: &[&str]) -> Option<String> {
    let tools = ["ip", "nsenter", "sysctl", "iptables"];
    let check = tools
        .iter()
        .chain(needs)
        .map(|need| match need.strip_prefix('/') {
            Some(_) => format!("test -w {need} || {{ echo {need} is not writable; exit 1; }}\n"),
            None => format!("command -v {need} >/dev/null || {{ echo no {need} here; exit 1; }}\n"),
        })
        .chain(["mount -t tmpfs tmpfs /run && ip link set lo up\n".to_owned()])
        .collect::<String>();
    match sandbox().args(["sh", "-c", &check]).stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => {
            let said = [done.stdout, done.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            Some(format!("the lab cannot run: {}", said.trim()))
        }
        Err(error) => Some(format!("unshare cannot be run: {error}")),
    }
}

impl Probed {
    /// The value of a fact of the one path, as text, and its grade; `None` when it is not known.
    pub fn fact(&self, axis: &str) -> Option<(String, String)> {
        let paths = self.report["paths"].as_array().expect("paths");
        assert_eq!(paths.len(), 1, "{self:#?}");
        let fact = &paths[0][axis];
        let status = fact["status"].as_str().unwrap_or_else(|| panic!("no fact {axis}: {self:#?}"));
        (status == "known").then(|| {
            let value = &fact["value"];
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (value, fact["grade"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// Nothing definite may differ from the truth.
    pub fn assert_never_wrong(&self, truth: Truth) {
        for &(axis, value) in truth {
            if let Some((said, _)) = self.fact(axis) {
                assert_eq!(said, value, "a wrong definite {axis}: {self:#?}");
            }
        }
    }

    /// Every listed fact is known, true, and of this grade.
    pub fn assert_exactly(&self, truth: Truth, grade: &str) {
        for &(axis, value) in truth {
            let expected = Some((value.to_owned(), grade.to_owned()));
            assert_eq!(self.fact(axis), expected, "{axis}: {self:#?}");
        }
        assert_eq!(self.code, 0, "{self:#?}");
    }

    /// Nothing about the NAT could be told, and the exit code says so.
    pub fn assert_could_not_tell(&self) {
        for axis in ["mapping", "filtering", "classic"] {
            assert_eq!(self.fact(axis), None, "{axis}: {self:#?}");
        }
        assert_eq!(self.code, 3, "{self:#?}");
    }
}
