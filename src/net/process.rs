//! What this process was started with.

/// SIGHUP, by its number (the same on every system).
const HANGUP: u32 = 1;

/// Whether SIGHUP was ignored from the start, as `nohup` does. Where that cannot be read it is taken
/// not to be.
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, HANGUP)
}

/// Whether the status of a process (proc(5)) says that it ignores a signal.
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores;

    #[test]
    fn nohup_is_seen() {
        let status = "Name:\tnatscope\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignores(status, 1) && ignores(status, 13) && !ignores(status, 2));
        assert!(!ignores("", 1));
    }
}
