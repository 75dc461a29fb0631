//! `natscope lab doctor`.

use super::table::table;
use super::{Format, json, print};
use crate::cli::exit::Failure;
use crate::lab::kernel::doctor::{self, Check};
use crate::lab::kernel::supervisor::{self, Role, Terminal};
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) fn run(format: Format) -> Result<ExitCode, Failure> {
    let checks = match supervisor::enter(Terminal::Shared) {
        Ok(Role::Front(code)) => return Ok(code),
        Ok(Role::Lab(wishes)) => {
            drop(wishes); // whatever they are, they end it
            crate::cli::runtime()?.block_on(doctor::examine())
        }
        Err(e) => doctor::refused(e),
    };
    let ready = checks.iter().all(|check| check.ok || !check.needed);
    print(&render(&checks, ready, format)?)?;
    Ok(ExitCode::from(u8::from(!ready)))
}

fn render(checks: &[Check], ready: bool, format: Format) -> Result<String, Failure> {
    if format == Format::Json {
        return json(&serde_json::json!({
            "schema": "natscope-doctor/1", "ready": ready, "checks": checks,
        }));
    }
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let state = match (check.ok, check.needed) {
                (true, _) => "yes",
                (false, true) => "NO",
                (false, false) => "no (not needed)",
            };
            vec![check.name.clone(), state.into(), check.text.clone()]
        })
        .collect();
    let mut text = table(format, &["what", "works", "detail"], &rows);
    text.push('\n');
    for check in checks.iter().filter(|check| !check.ok) {
        let _written = writeln!(text, "To have {}: {}", check.name, check.fix);
    }
    text += if ready { "The lab runs here.\n" } else { "The lab does not run here.\n" };
    Ok(text)
}
