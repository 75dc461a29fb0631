//! What a lab was made of: results are true of a kernel, of its rules, and of this program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The versions of what a measurement was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// This program's.
    pub natscope: String,
    /// The kernel's, such as `6.18.5-amd64`; null when it does not say.
    pub kernel: Option<String>,
    /// nft's, such as `1.0.6`; null when it does not say.
    pub nft: Option<String>,
}

impl System {
    /// From what the kernel and `nft --version` say.
    #[must_use]
    pub fn new(kernel: Option<&str>, nft: Option<&str>) -> Self {
        let safe = |text: &str| crate::stun::text::safe(text.trim().as_bytes());
        Self {
            natscope: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: kernel.map(safe).filter(|kernel| !kernel.is_empty()),
            nft: nft.and_then(nft_version).map(safe),
        }
    }
}

/// `nftables v1.0.6 (Lester Gooch #5)`.
fn nft_version(said: &str) -> Option<&str> {
    said.split_whitespace().find_map(|word| word.strip_prefix('v')).filter(|v| !v.is_empty())
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "of unknown version";
        let kernel = self.kernel.as_deref().unwrap_or(unknown);
        let nft = self.nft.as_deref().unwrap_or(unknown);
        write!(f, "natscope {}, Linux {kernel}, nft {nft}", self.natscope)
    }
}

#[cfg(test)]
mod tests {
    use super::System;

    #[test]
    fn versions_are_named_and_what_is_not_known_is_said() {
        let system =
            System::new(Some("6.1.0-44-amd64\n"), Some("nftables v1.0.6 (Lester Gooch #5)"));
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(system.to_string(), format!("natscope {own}, Linux 6.1.0-44-amd64, nft 1.0.6"));
        let none = System::new(None, Some("no"));
        assert!(none.to_string().ends_with("Linux of unknown version, nft of unknown version"));
    }
}
