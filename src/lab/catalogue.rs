//! The catalogue of NATs: descriptions in TOML, embedded in the program and loadable from a path.

use crate::nat::{Allocation, Bug, Filtering, Mapping, NatSpec, Translation};
use crate::net::file;
use std::path::Path;

/// What is in `lab/nats`: the files and their text, as the build found them.
const NATS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/nats.rs"));

/// Why a description could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// No such name.
    #[error("there is no NAT named `{name}`{}; `natscope lab list` shows those that exist", did_you_mean(.suggestion.as_ref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The closest name there is, where one is close.
        suggestion: Option<String>,
    },
    /// The file cannot be read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's words.
        reason: String,
    },
    /// The file is no description.
    #[error("{file}:{line}: {}{reason}", field_prefix(.field.as_ref()))]
    Malformed {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The field, where it is one field's fault.
        field: Option<String>,
        /// What is wrong.
        reason: String,
    },
}

fn did_you_mean(name: Option<&String>) -> String {
    name.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

fn field_prefix(field: Option<&String>) -> String {
    field.map_or(String::new(), |field| format!("field `{field}`: "))
}

/// A list of descriptions, and the names they answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    nats: Vec<NatSpec>,
}

impl Catalogue {
    /// The NATs that the program ships: what is in `lab/nats`. A test holds that each of its files
    /// can be read; one that could not would be missing here.
    #[must_use]
    pub fn embedded() -> Self {
        let read = NATS.iter().filter_map(|(file, text)| parse(file, text).ok());
        let mut nats: Vec<NatSpec> = read.collect();
        nats.sort_by_cached_key(place);
        Self { nats }
    }

    /// The descriptions: first where there is no NAT or no UDP, then the combinations of mapping and
    /// filtering, then those with a name of their own, those with known faults last.
    #[must_use]
    pub fn nats(&self) -> &[NatSpec] {
        &self.nats
    }

    /// A NAT by name, by alias, by composition (`adm-apdf-random`), or from a file when `name`
    /// looks like a path (a slash, or `.toml` at its end).
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be read or is no description.
    pub fn find(&self, name: &str) -> Result<NatSpec, CatalogueError> {
        if looks_like_a_path(name) {
            return load(Path::new(name));
        }
        let named = |spec: &&NatSpec| spec.name == name || spec.aliases.iter().any(|a| a == name);
        if let Some(spec) = self.nats.iter().find(named) {
            return Ok(spec.clone());
        }
        compose(name).ok_or_else(|| CatalogueError::Unknown {
            name: name.to_owned(),
            suggestion: self.closest(name),
        })
    }

    fn closest(&self, name: &str) -> Option<String> {
        let names = self.nats.iter().flat_map(|s| std::iter::once(&s.name).chain(&s.aliases));
        closest(name, names.map(String::as_str))
    }
}

/// Where a NAT stands in the list.
fn place(spec: &NatSpec) -> (u8, Mapping, Filtering, Allocation, String) {
    let truth = spec.truth();
    let group = match compose(&spec.name) {
        _ if !truth.nat => 0,
        _ if truth.udp_blocked => 1,
        Some(_) => 2,
        None if spec.bugs.is_empty() => 3,
        None => 4,
    };
    (group, spec.mapping, spec.filtering, spec.allocation, spec.name.clone())
}

/// Whether a name means a file.
pub(super) fn looks_like_a_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|e| e == "toml")
}

/// The name most like `name`, if one is close enough to have been meant.
pub(super) fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known.to_owned())
}

/// A NAT from a name of two or three parts such as `adm-apdf` or `adm-apdf-random`.
fn compose(name: &str) -> Option<NatSpec> {
    let mut parts = name.split('-');
    let short = |part: &str| part.len() <= 4;
    let mapping = parts.next().filter(|p| short(p))?.parse::<Mapping>().ok()?;
    let filtering = parts.next().filter(|p| short(p))?.parse::<Filtering>().ok()?;
    let allocation = match parts.next() {
        Some(part) => part.parse::<Allocation>().ok()?,
        None if mapping == Mapping::EndpointIndependent => Allocation::Preserving,
        None => Allocation::Random,
    };
    if parts.next().is_some() {
        return None;
    }
    let mut spec = NatSpec::new(mapping, filtering, allocation);
    name.clone_into(&mut spec.name);
    spec.summary = format!(
        "Mapping {mapping}, filtering {filtering}, port allocation {allocation}; composed from its name."
    );
    Some(spec)
}

/// Reads a description from a file.
///
/// # Errors
/// The file cannot be read, or is no description.
pub fn load(path: &Path) -> Result<NatSpec, CatalogueError> {
    let file = path.display().to_string();
    parse(&file, &read(path)?)
}

/// Reads a file of at most a megabyte.
pub(super) fn read(path: &Path) -> Result<String, CatalogueError> {
    let unreadable =
        |reason: String| CatalogueError::Unreadable { file: path.display().to_string(), reason };
    file::read_text(path, file::SMALL).map_err(|e| unreadable(e.to_string()))
}

/// Reads a description from its text; `file` is for messages, and its stem must be the name.
///
/// # Errors
/// The text is no description, with the line and the field.
pub fn parse(file: &str, text: &str) -> Result<NatSpec, CatalogueError> {
    let spec: NatSpec = toml::from_str(text).map_err(|e| malformed(file, text, &e))?;
    let fault = |key: &str, reason: String| CatalogueError::Malformed {
        file: file.to_owned(),
        line: line_of(text, key),
        field: Some(key.to_owned()),
        reason,
    };
    let stem = Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned());
    if stem.as_deref() != Some(spec.name.as_str()) {
        return Err(fault("name", format!("`{}` differs from the file's name", spec.name)));
    }
    if let Err((key, reason)) = check(&spec) {
        return Err(fault(key, reason));
    }
    Ok(spec)
}

/// What the types allow and the rules cannot build.
fn check(spec: &NatSpec) -> Result<(), (&'static str, String)> {
    for layer in spec.stack() {
        if layer.timeouts.udp == 0 || layer.timeouts.udp_stream == 0 {
            return Err(("timeouts", "a lifetime of 0 seconds holds no mapping".into()));
        }
        let plain = layer.mapping == Mapping::EndpointIndependent
            && layer.filtering == Filtering::AddressAndPortDependent
            && layer.allocation == Allocation::Preserving;
        if layer.translation == Translation::Nat && layer.has(Bug::EarlyPacket) && !plain {
            return Err((
                "bugs",
                "`early-packet` is the fault of a plain masquerade: mapping \
                 endpoint-independent, filtering address-and-port-dependent, allocation preserving"
                    .into(),
            ));
        }
        if layer.translation == Translation::None && layer.mapping != Mapping::EndpointIndependent {
            return Err(("mapping", "without translation it is endpoint-independent".into()));
        }
    }
    if spec.stack().count() > 8 {
        return Err(("layers", "more than eight boxes in a row".into()));
    }
    Ok(())
}

/// The line (from 1) on which a key is set, or 1.
fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| line.trim_start().trim_start_matches('[').starts_with(key))
        .map_or(1, |at| at + 1)
}

/// Says which line and which field of a TOML text are at fault.
pub(super) fn malformed(file: &str, text: &str, error: &toml::de::Error) -> CatalogueError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let quoted = error.message().split('`').nth(1);
    let field = if error.message().starts_with("missing field")
        || error.message().starts_with("unknown field")
    {
        quoted.map(str::to_owned)
    } else {
        source.split_once('=').map(|(key, _)| key.trim().to_owned())
    };
    CatalogueError::Malformed {
        file: file.to_owned(),
        line,
        field: field.filter(|f| !f.is_empty()),
        reason: error.message().replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_is_a_description() {
        for (file, text) in NATS {
            parse(file, text).unwrap();
        }
        let catalogue = Catalogue::embedded();
        assert_eq!(catalogue.nats().len(), NATS.len());
        let names: Vec<&str> = catalogue.nats().iter().map(|spec| spec.name.as_str()).collect();
        assert!(names.starts_with(&["open", "firewall", "udp-blocked", "eim-eif", "eim-adf"]));
        assert!(names.ends_with(&["preserving-symmetric", "sequential-symmetric", "leaky-home"]));
    }

    #[test]
    fn names_aliases_and_compositions() {
        let all = Catalogue::embedded();
        assert_eq!(all.find("full-cone").unwrap().name, "eim-eif");
        assert_eq!(all.find("symmetric").unwrap().allocation, Allocation::Random);
        let composed = all.find("adm-apdf-sequential").unwrap();
        assert_eq!(composed.mapping, Mapping::AddressDependent);
        assert_eq!(composed.allocation, Allocation::Sequential);
        assert!(all.find("adm-apdf-random-x").is_err());
        assert!(all.find("endpoint-independent-eif").is_err());
        assert!(all.find("eim-").is_err());
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion() {
        let all = Catalogue::embedded();
        let text = all.find("symetric").unwrap_err().to_string();
        assert!(text.contains("did you mean `symmetric`?"), "{text}");
        let text = all.find("zzz").unwrap_err().to_string();
        assert!(!text.contains("did you mean"), "{text}");
    }

    #[test]
    fn malformed_toml_gets_file_line_and_field() {
        let good = "name = \"x\"\nmapping = \"address-dependent\"\n\
                    filtering = \"address-dependent\"\nallocation = \"random\"\n";
        parse("d/x.toml", good).unwrap();
        let says = |text: &str| parse("d/x.toml", text).unwrap_err().to_string();
        let e = says(&good.replace("\"random\"", "\"rondom\""));
        assert!(e.starts_with("d/x.toml:4: field `allocation`: unknown variant `rondom`"), "{e}");
        let e = says(&good.replace("mapping =", "maping ="));
        assert!(e.starts_with("d/x.toml:2: field `maping`: unknown field"), "{e}");
        let e = says(&good.replace("mapping = \"address-dependent\"\n", ""));
        assert!(e.contains("field `mapping`: missing field"), "{e}");
        let e = says(&good.replace("\"x\"", "\"y\""));
        assert!(e.starts_with("d/x.toml:1: field `name`: "), "{e}");
        let e = says(&good.replace("\"random\"", "\"random\"\nbugs = [\"early-packet\"]"));
        assert!(e.starts_with("d/x.toml:5: field `bugs`: "), "{e}");
        let e = says("name = ");
        assert!(e.starts_with("d/x.toml:1: "), "{e}");
        let e = load(Path::new("/nonexistent/x.toml")).unwrap_err().to_string();
        assert!(e.contains("/nonexistent/x.toml"), "{e}");
    }
}
