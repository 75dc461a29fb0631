//! What was noticed beside the facts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Limits what could be shown.
    Warning,
    /// Something is broken.
    Error,
}

/// Something noticed beside the facts, such as a server that is not honest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(test, serde(deny_unknown_fields))]
pub struct Finding {
    /// A stable kebab-case name, such as `ignores-change-request`.
    pub id: Id,
    /// How bad it is.
    pub severity: Severity,
    /// One or two sentences: what, and what to do.
    pub text: String,
}

impl Finding {
    /// Something that was noticed. The text may hold words from the network.
    #[must_use]
    pub fn new(id: Id, severity: Severity, text: impl Into<String>) -> Self {
        Self { id, severity, text: text.into() }
    }
}

/// What can be noticed of something, which is also who can tell it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A run of the prober as a whole: no record of a path shows it.
    Run,
    /// The record of a path, whose judge says it anew each time.
    Record,
    /// An attempt of two peers to connect.
    Attempt,
    /// A description (SDP), or two of them; of those that an attempt has too, first named there.
    Description,
}

macro_rules! ids {
    ($($origin:ident { $($name:ident = $text:literal,)* })*) => {
        /// The stable name of a finding. What each means stands in `docs/report.md`.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(from = "String", into = "String")]
        #[schemars(inline)]
        #[non_exhaustive]
        #[allow(missing_docs)] // documented for operators, and a test sees to it
        pub enum Id {
            $($($name,)*)*
            /// One of another version, in a report that it saved or a peer that it told.
            Unknown(String),
        }

        impl Id {
            /// All that this version knows.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// As in JSON.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($(Self::$name => $text,)*)*
                    Self::Unknown(text) => text,
                }
            }

            /// What it is noticed of; `None` of one of another version.
            #[must_use]
            pub const fn origin(&self) -> Option<Origin> {
                match self {
                    $($(Self::$name)|* => Some(Origin::$origin),)*
                    Self::Unknown(_) => None,
                }
            }
        }

        impl From<&str> for Id {
            fn from(text: &str) -> Self {
                match text {
                    $($($text => Self::$name,)*)*
                    _ => Self::Unknown(text.to_owned()),
                }
            }
        }
    };
}

ids! {
    Run {
        NoRoute = "no-route",
        PathFailed = "path-failed",
        SameAddress = "same-address",
        TurnInterrupted = "turn-interrupted",
        TurnNotTried = "turn-not-tried",
        Unresolvable = "unresolvable",
    }
    Record {
        AlternateDead = "alternate-dead",
        AlternateServer = "alternate-server",
        AnswersWithError = "answers-with-error",
        BadOtherAddress = "bad-other-address",
        CutShort = "cut-short",
        Duplicates = "duplicates",
        FixedPort = "fixed-port",
        FixedPortFailed = "fixed-port-failed",
        Forbidden = "forbidden",
        IgnoresChangeRequest = "ignores-change-request",
        IcmpUnseen = "icmp-unseen",
        ImpossibleMappedAddress = "impossible-mapped-address",
        Loss = "loss",
        MalformedAnswer = "malformed-answer",
        MalformedAttribute = "malformed-attribute",
        MangledMappedAddress = "mangled-mapped-address",
        Nat64 = "nat64",
        NoMappedAddress = "no-mapped-address",
        NoRfc5780 = "no-rfc5780",
        NotAsked = "not-asked",
        NotSent = "not-sent",
        OddAnswer = "odd-answer",
        OneAddressForAll = "one-address-for-all",
        OriginDisagrees = "origin-disagrees",
        ProxyBeforeServer = "proxy-before-server",
        Redirects = "redirects",
        Refused = "refused",
        RelayObserves = "relay-observes",
        RelayUnusable = "relay-unusable",
        RefusesChangeRequest = "refuses-change-request",
        RefusesRequest = "refuses-request",
        RefusesResponsePort = "refuses-response-port",
        ServerError = "server-error",
        ServerInside = "server-inside",
        ServerSeesItself = "server-sees-itself",
        ServersDisagreeOnFiltering = "servers-disagree-on-filtering",
        ServersDisagreeOnMapping = "servers-disagree-on-mapping",
        ServersDisagreeOnNat = "servers-disagree-on-nat",
        SeveralExternalAddresses = "several-external-addresses",
        Silent = "silent",
        Strays = "strays",
        UdpSilent = "udp-silent",
        UnknownAttribute = "unknown-attribute",
        WantsCredentials = "wants-credentials",
        WrongId = "wrong-id",
        WrongOrigin = "wrong-origin",
        WrongSource = "wrong-source",
    }
    Attempt {
        ConnectionLost = "connection-lost",
        MalformedCandidate = "malformed-candidate",
        NoRelay = "no-relay",
        NotProbed = "not-probed",
        PeerSilent = "peer-silent",
        SignallingError = "signalling-error",
        SignallingLost = "signalling-lost",
        UnsafeCandidate = "unsafe-candidate",
        UnusableCandidate = "unusable-candidate",
    }
    Description {
        BadCredentials = "bad-credentials",
        BadLine = "bad-line",
        BothLite = "both-lite",
        Cut = "cut",
        DependentMapping = "dependent-mapping",
        HiddenAddress = "hidden-address",
        IceLite = "ice-lite",
        IceMismatch = "ice-mismatch",
        IllegalActpass = "illegal-actpass",
        Incomplete = "incomplete",
        LitePrivate = "lite-private",
        LoggedError = "logged-error",
        Media = "media",
        MediaName = "media-name",
        NoCandidates = "no-candidates",
        NoCredentials = "no-credentials",
        NoIce = "no-ice",
        NoPair = "no-pair",
        NoReflexive = "no-reflexive",
        OnHold = "on-hold",
        OneSidedIce = "one-sided-ice",
        OnlyMdns = "only-mdns",
        OtherGeneration = "other-generation",
        Part = "part",
        PrivateMedia = "private-media",
        PrivateOnly = "private-only",
        PrivateRtcp = "private-rtcp",
        RelayOnly = "relay-only",
        SetupConflict = "setup-conflict",
        WrongAddress = "wrong-address",
        WrongSection = "wrong-section",
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_those_of_other_versions_are_kept() {
        for id in Id::ALL {
            assert_eq!(Id::from(id.as_str()), *id);
            assert!(id.origin().is_some(), "{id}");
        }
        let later: Id = serde_json::from_str("\"of-a-later-version\"").unwrap();
        assert_eq!((later.as_str(), later.origin()), ("of-a-later-version", None));
        assert_eq!(serde_json::to_string(&later).unwrap(), "\"of-a-later-version\"");
    }
}
