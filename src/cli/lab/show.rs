//! `natscope lab list` and `show`: nothing here needs a kernel.

use super::{Format, find, print};
use crate::cli::exit::Failure;
use crate::lab::catalogue::Catalogue;
use crate::lab::{plan, rules};
use crate::report::nats::{Nat, Nats};
use std::process::ExitCode;

pub(super) fn list(format: Format) -> Result<ExitCode, Failure> {
    print(&format.render(&Nats::new(Catalogue::embedded().nats()), false)?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(name: &str, format: Format) -> Result<ExitCode, Failure> {
    let spec = find(name)?;
    let plan =
        plan::plan(std::slice::from_ref(&spec), 1, 0).map_err(|e| Failure::run(e.to_string()))?;
    let boxes: Vec<(String, String)> = plan
        .sites
        .iter()
        .flat_map(|site| &site.boxes)
        .map(|b| (b.spec.name.clone(), rules::nftables(&b.spec, &b.wiring)))
        .collect();
    let document = Nat::new(spec, boxes)
        .map_err(|e| Failure::run(format!("{name} cannot be written as TOML: {e}")))?;
    print(&format.render(&document, false)?)?;
    Ok(ExitCode::SUCCESS)
}
