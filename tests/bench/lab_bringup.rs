//! How long it takes to bring up one NAT with its client, in a lab of 50.

#![allow(clippy::disallowed_methods)] // it measures time

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: this bench needs Linux");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use natscope::lab::catalogue::Catalogue;
    use natscope::lab::kernel::{experiment, supervisor};
    use std::process::ExitCode;
    use std::time::Instant;

    const NATS: usize = 50;
    const RUNS: usize = 5;

    pub fn main() -> ExitCode {
        match supervisor::enter(supervisor::Terminal::Shared) {
            Ok(supervisor::Role::Front(code)) => code,
            Ok(supervisor::Role::Lab(wishes)) => {
                drop(wishes);
                measure()
            }
            Err(e) => {
                eprintln!("lab_bringup: {e}");
                ExitCode::FAILURE
            }
        }
    }

    fn measure() -> ExitCode {
        let all = Catalogue::embedded();
        let specs: Vec<_> = all.nats().iter().cycle().take(NATS).cloned().collect();
        let mut each: Vec<f64> = Vec::new();
        for _ in 0..RUNS {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => {
                    eprintln!("lab_bringup: {e}");
                    return ExitCode::FAILURE;
                }
            };
            let began = Instant::now();
            match runtime.block_on(experiment::build(&specs, 0)) {
                Ok(lab) => each.push(began.elapsed().as_secs_f64() * 1e3 / lab.sites.len() as f64),
                Err(e) => {
                    eprintln!("lab_bringup: {e}");
                    return ExitCode::FAILURE;
                }
            }
        }
        each.sort_by(f64::total_cmp);
        println!(
            "lab bring-up, {NATS} NATs with a client each: {:.1} ms per NAT (median of {RUNS}; {:.1} to {:.1})",
            each[RUNS / 2],
            each[0],
            each[RUNS - 1]
        );
        ExitCode::SUCCESS
    }
}
