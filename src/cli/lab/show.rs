//! `natscope lab list` and `show`: nothing here needs a kernel.

use super::table::table;
use super::{Format, find, json, print};
use crate::cli::exit::Failure;
use crate::lab::catalogue::Catalogue;
use crate::lab::{plan, rules};
use crate::nat::{NatSpec, Translation};
use std::fmt::Write as _;
use std::process::ExitCode;

pub(super) fn list(format: Format) -> Result<ExitCode, Failure> {
    let all = Catalogue::embedded();
    let document = if format == Format::Json {
        json(&serde_json::json!({ "schema": "natscope-nats/1", "nats": all.nats() }))?
    } else {
        let rows: Vec<Vec<String>> = all.nats().iter().map(row).collect();
        let names = "Any other combination is composed from its name: \
                     eim|adm|apdm-eif|adf|apdf[-preserving|sequential|random].\n";
        table(format, &["NAT", "behaviour", "also called"], &rows) + "\n" + names
    };
    print(&document)?;
    Ok(ExitCode::SUCCESS)
}

fn row(spec: &NatSpec) -> Vec<String> {
    vec![spec.name.clone(), behaviour(spec), spec.aliases.join(", ")]
}

/// Such as `apdm-apdf random`.
fn behaviour(spec: &NatSpec) -> String {
    let bugs: String = spec
        .bugs
        .iter()
        .filter_map(|bug| serde_json::to_value(bug).ok())
        .filter_map(|bug| bug.as_str().map(|bug| format!(", {bug}")))
        .collect();
    match spec.translation {
        Translation::None => format!("no NAT, {}", spec.filtering.short()),
        Translation::Nat => {
            format!("{}-{} {}{bugs}", spec.mapping.short(), spec.filtering.short(), spec.allocation)
        }
    }
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
    let toml = toml::to_string(&spec)
        .map_err(|e| Failure::run(format!("{name} cannot be written as TOML: {e}")))?;
    let document = match format {
        Format::Json => json(&serde_json::json!({
            "schema": "natscope-nat/1",
            "nat": spec,
            "rules": boxes.iter().map(|(_, rules)| rules).collect::<Vec<_>>(),
        }))?,
        Format::Text => boxes.iter().fold(toml, |mut text, (name, rules)| {
            let _ = write!(text, "\n# nftables of {name}\n{rules}");
            text
        }),
        Format::Markdown => {
            boxes.iter().fold(format!("```toml\n{toml}```\n"), |mut text, (name, rules)| {
                let _ = write!(text, "\nnftables of `{name}`:\n\n```\n{rules}```\n");
                text
            })
        }
    };
    print(&document)?;
    Ok(ExitCode::SUCCESS)
}
