//! Writes the list of the NATs in `lab/nats` for `lab::catalogue`: a file in the folder is one of the
//! catalogue.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let mut names = Vec::new();
    for entry in fs::read_dir(Path::new(&root).join("lab/nats"))? {
        let name = entry?.file_name();
        let name = name.into_string().map_err(|name| format!("{}: UTF-8?", name.display()))?;
        if Path::new(&name).extension().is_some_and(|extension| extension == "toml") {
            names.push(name);
        }
    }
    names.sort_unstable();
    let line = |name: &String| {
        let file = format!("lab/nats/{name}");
        let path = format!("{root}/{file}");
        format!("({file:?}, include_str!({path:?})),\n")
    };
    let list: String = names.iter().map(line).collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("nats.rs"), format!("&[\n{list}]\n"))?;
    // also when one is added or taken away
    println!("cargo::rerun-if-changed=lab/nats");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
