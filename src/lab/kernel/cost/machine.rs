//! What the rest of the machine does meanwhile.

/// Processor time in ticks of the system, which is the same everywhere in /proc.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    /// Of all processors, idle or not.
    all: u64,
    /// Not idle.
    busy: u64,
    /// By these processes.
    own: u64,
}

impl Ticks {
    /// Up to now, of this process and of these others.
    pub fn now(others: &[u32]) -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().next()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; the guests are in user already
        let times: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let all = times.iter().sum();
        let idle = times.get(3)? + times.get(4)?;
        let own = others.iter().filter_map(|pid| of(&pid.to_string())).sum::<u64>() + of("self")?;
        Some(Self { all, busy: all - idle, own })
    }

    /// The share that programs which are not ours have taken since, 0 to 1.
    pub fn others_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|&all| all > 0)?;
        let busy = self.busy.saturating_sub(before.busy);
        let own = self.own.saturating_sub(before.own);
        Some((busy.saturating_sub(own) as f64 / all as f64).min(1.0))
    }
}

/// User and system time of a process (proc(5)); its name may hold anything but ends with the last
/// bracket.
fn of(pid: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn others_are_what_is_neither_idle_nor_ours() {
        let before = Ticks { all: 1000, busy: 500, own: 100 };
        let after = Ticks { all: 1400, busy: 800, own: 300 };
        assert!((after.others_since(before).unwrap() - 0.25).abs() < 1e-9);
        assert_eq!(after.others_since(after), None, "no time has passed");
        let ours = Ticks { all: 1400, busy: 500, own: 300 };
        assert!(ours.others_since(before).unwrap().abs() < 1e-9);
    }

    #[test]
    fn this_process_has_used_time() {
        let ticks = Ticks::now(&[]).expect("/proc");
        assert!(ticks.all >= ticks.busy);
    }
}
