//! `natscope lab doctor`.

use super::{Format, print};
use crate::cli::exit::Failure;
use crate::lab::kernel::doctor;
use crate::lab::kernel::supervisor::{self, Role, Terminal};
use crate::report::doctor::Doctor;
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
    let doctor = Doctor::new(checks);
    print(&format.render(&doctor, false)?)?;
    Ok(ExitCode::from(u8::from(!doctor.ready)))
}
