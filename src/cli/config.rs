//! The servers to ask: `--server`, else `natscope.toml`, else a short list of public ones.

use super::exit::Failure;
use crate::net::file;
use crate::stun::uri::{Scheme, Uri};
use etcetera::BaseStrategy as _;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Public servers that advertise RFC 5780, of different operators. They are donated: be polite.
const BUILT_IN: &[&str] = &[
    "stun:stun.nextcloud.com:3478",
    "stun:stun.m-online.net:3478",
    "stun:stun.voipgate.com:3478",
    "stun:stun.sip.us:3478",
];

/// The configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// URIs, the preferred first.
    #[serde(default)]
    servers: Vec<toml::Spanned<String>>,
}

/// Reads a URI of a server that can be probed.
///
/// # Errors
/// When it is no URI, or not one of a STUN server over UDP.
pub fn parse_uri(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match uri.scheme {
        Scheme::Stun => Ok(uri),
        Scheme::Stuns => {
            Err("NATs are probed over plain UDP: write stun: instead of stuns:".into())
        }
        Scheme::Turn | Scheme::Turns => {
            Err("this is a relay: write stun: to use its STUN service".into())
        }
    }
}

/// The servers to ask, the user's own first.
///
/// # Errors
/// When the configuration file is malformed.
pub fn servers(given: &[Uri]) -> Result<Vec<Uri>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    for path in paths() {
        let text = match file::read_text(&path, file::SMALL) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Failure::run(format!("cannot read {}: {error}", path.display())));
            }
        };
        let listed = read(&path, &text).map_err(Failure::run)?;
        if !listed.is_empty() {
            return Ok(listed);
        }
    }
    Ok(BUILT_IN.iter().filter_map(|text| parse_uri(text).ok()).collect())
}

/// A text that names the file as on Linux and macOS, as this system has it.
pub fn as_here(text: &str) -> String {
    let file = "~/.config/natscope/natscope.toml";
    text.replace(file, if cfg!(windows) { r"%APPDATA%\natscope\natscope.toml" } else { file })
}

/// Where the file may be: the program's own folder first.
fn paths() -> Vec<PathBuf> {
    let Ok(strategy) = etcetera::choose_base_strategy() else { return Vec::new() };
    let folder = strategy.config_dir();
    vec![folder.join("natscope").join("natscope.toml"), folder.join("natscope.toml")]
}

/// The servers that a file lists.
fn read(path: &Path, text: &str) -> Result<Vec<Uri>, String> {
    let at = |offset: usize| {
        let line = 1 + text.bytes().take(offset).filter(|&b| b == b'\n').count();
        format!("{}, line {line}", path.display())
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let place = at(error.span().map_or(0, |span| span.start));
        format!("{place}: {}", error.message())
    })?;
    let uri = |item: &toml::Spanned<String>| {
        let place = at(item.span().start);
        parse_uri(item.get_ref())
            .map_err(|error| format!("{place}, field `servers`: `{}`: {error}", item.get_ref()))
    };
    file.servers.iter().map(uri).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(Path::new("natscope.toml"), text).unwrap_err()
    }

    #[test]
    fn every_built_in_server_is_a_server() {
        assert_eq!(servers(&[]).map_or(0, |s| s.len()), BUILT_IN.len());
    }

    #[test]
    fn a_malformed_file_is_told_by_file_line_and_field() {
        assert!(
            error("\nservrs = []").starts_with("natscope.toml, line 2: unknown field `servrs`")
        );
        let uri = error("servers = [\n \"stun:ok.example\",\n \"nonsense\"]");
        assert!(uri.starts_with("natscope.toml, line 3, field `servers`: `nonsense`:"), "{uri}");
        assert!(error("servers = 3").starts_with("natscope.toml, line 1: invalid type"));
        assert!(error("servers = [").starts_with("natscope.toml, line 1: "));
    }
}
