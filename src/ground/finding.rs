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
    pub fn new(id: Id, text: impl Into<String>) -> Self {
        Self { severity: id.severity(), id, text: text.into() }
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
    ($($origin:ident { $($name:ident = $text:literal $severity:ident,)* })*) => {
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

            /// How bad it is, as a rule.
            const fn severity(&self) -> Severity {
                match self {
                    $($(Self::$name => Severity::$severity,)*)*
                    Self::Unknown(_) => Severity::Info,
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
        NoRoute = "no-route" Info,
        PathFailed = "path-failed" Warning,
        SameAddress = "same-address" Info,
        TurnInterrupted = "turn-interrupted" Warning,
        TurnNotTried = "turn-not-tried" Warning,
        Unresolvable = "unresolvable" Warning,
    }
    Record {
        AlternateDead = "alternate-dead" Warning,
        AlternateServer = "alternate-server" Info,
        AnswersWithError = "answers-with-error" Warning,
        BadOtherAddress = "bad-other-address" Warning,
        CutShort = "cut-short" Warning,
        Duplicates = "duplicates" Info,
        FixedPort = "fixed-port" Info,
        FixedPortFailed = "fixed-port-failed" Error,
        Forbidden = "forbidden" Error,
        IgnoresChangeRequest = "ignores-change-request" Warning,
        IcmpUnseen = "icmp-unseen" Info,
        ImpossibleMappedAddress = "impossible-mapped-address" Error,
        Loss = "loss" Warning,
        MalformedAnswer = "malformed-answer" Error,
        MalformedAttribute = "malformed-attribute" Info,
        MangledMappedAddress = "mangled-mapped-address" Error,
        Nat64 = "nat64" Info,
        NoMappedAddress = "no-mapped-address" Error,
        NoRfc5780 = "no-rfc5780" Info,
        NotAsked = "not-asked" Warning,
        NotSent = "not-sent" Error,
        OddAnswer = "odd-answer" Warning,
        OneAddressForAll = "one-address-for-all" Error,
        OriginDisagrees = "origin-disagrees" Info,
        ProxyBeforeServer = "proxy-before-server" Error,
        Redirects = "redirects" Warning,
        Refused = "refused" Error,
        RelayObserves = "relay-observes" Info,
        RelayUnusable = "relay-unusable" Warning,
        RefusesChangeRequest = "refuses-change-request" Warning,
        RefusesRequest = "refuses-request" Error,
        RefusesResponsePort = "refuses-response-port" Info,
        ServerError = "server-error" Error,
        ServerInside = "server-inside" Error,
        ServerSeesItself = "server-sees-itself" Error,
        ServersDisagreeOnFiltering = "servers-disagree-on-filtering" Warning,
        ServersDisagreeOnMapping = "servers-disagree-on-mapping" Warning,
        ServersDisagreeOnNat = "servers-disagree-on-nat" Warning,
        SeveralExternalAddresses = "several-external-addresses" Warning,
        Silent = "silent" Error,
        Strays = "strays" Info,
        UdpSilent = "udp-silent" Error,
        UnknownAttribute = "unknown-attribute" Error,
        WantsCredentials = "wants-credentials" Error,
        WrongId = "wrong-id" Error,
        WrongOrigin = "wrong-origin" Warning,
        WrongSource = "wrong-source" Error,
    }
    Attempt {
        ConnectionLost = "connection-lost" Warning,
        MalformedCandidate = "malformed-candidate" Warning,
        NoRelay = "no-relay" Warning,
        NotProbed = "not-probed" Warning,
        PeerSilent = "peer-silent" Info,
        SignallingError = "signalling-error" Warning,
        SignallingLost = "signalling-lost" Warning,
        UnsafeCandidate = "unsafe-candidate" Warning,
        UnusableCandidate = "unusable-candidate" Info,
    }
    Description {
        BadCredentials = "bad-credentials" Error,
        BadLine = "bad-line" Warning,
        BothLite = "both-lite" Error,
        Cut = "cut" Warning,
        DependentMapping = "dependent-mapping" Warning,
        HiddenAddress = "hidden-address" Info,
        IceLite = "ice-lite" Info,
        IceMismatch = "ice-mismatch" Warning,
        IllegalActpass = "illegal-actpass" Error,
        Incomplete = "incomplete" Info,
        LitePrivate = "lite-private" Error,
        LoggedError = "logged-error" Warning,
        Media = "media" Info,
        MediaName = "media-name" Info,
        NoCandidates = "no-candidates" Warning,
        NoCredentials = "no-credentials" Warning,
        NoIce = "no-ice" Warning,
        NoPair = "no-pair" Error,
        NoReflexive = "no-reflexive" Warning,
        OnHold = "on-hold" Info,
        OneSidedIce = "one-sided-ice" Warning,
        OnlyMdns = "only-mdns" Warning,
        OtherGeneration = "other-generation" Warning,
        Part = "part" Info,
        PrivateMedia = "private-media" Warning,
        PrivateOnly = "private-only" Warning,
        PrivateRtcp = "private-rtcp" Warning,
        RelayOnly = "relay-only" Info,
        SetupConflict = "setup-conflict" Error,
        WrongAddress = "wrong-address" Warning,
        WrongSection = "wrong-section" Error,
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
