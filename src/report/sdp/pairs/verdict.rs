//! What the pairs of a transport come to, and the sentence about all of them: the worst leads.

use super::super::side::{Place, Side};
use super::{Could, SdpPair};
use crate::report::prose::lower;

/// What one transport comes to.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Its section, where there are several.
    name: Option<String>,
    /// The preferred pair of each verdict, with its priority: direct and through a relay.
    likely: Option<(u64, String)>,
    depends: Option<(u64, String)>,
    same: Option<(u64, String)>,
    relay: Option<(u64, String)>,
    relay_depends: Option<(u64, String)>,
    any: bool,
    media: Option<(Could, String)>,
    /// Why nothing can work, where that is known of the sides.
    why_not: Option<String>,
    /// Why nothing can be told.
    untold: Option<String>,
    /// More candidates may come.
    goes_on: bool,
    /// Why only one network will do.
    why_inside: Option<String>,
}

impl Part {
    pub(super) fn new(name: Option<String>) -> Self {
        Self { name, ..Self::default() }
    }

    pub(super) fn of_media(pair: &SdpPair, name: String) -> Self {
        let say = match pair.could {
            Could::Likely => format!(
                "likely, no ICE needed: media goes to {} and {}, the addresses in c= and m=",
                bare(&pair.from),
                bare(&pair.to)
            ),
            Could::SameNetwork => {
                format!("{} and {}: {}", bare(&pair.from), bare(&pair.to), pair.because)
            }
            _ => pair.because.clone(),
        };
        Self { name: Some(name), media: Some((pair.could, say)), any: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, pair: &SdpPair) {
        self.any = true;
        let relay = pair.from.starts_with("relay ") || pair.to.starts_with("relay ");
        let best = match (pair.could, relay) {
            (Could::Likely, false) => &mut self.likely,
            (Could::Depends, false) => &mut self.depends,
            (Could::SameNetwork, _) => &mut self.same,
            (Could::Likely, true) => &mut self.relay,
            (Could::Depends, true) => &mut self.relay_depends,
            (Could::Cannot, _) => {
                self.why_not.get_or_insert_with(|| pair.because.clone());
                return;
            }
        };
        if best.as_ref().is_none_or(|(priority, _)| *priority < pair.priority) {
            *best = Some((pair.priority, format!("{} with {}", pair.from, pair.to)));
        }
    }

    /// With what the sides say of themselves.
    pub(super) fn of(mut self, offer: &Side<'_>, answer: &Side<'_>) -> Self {
        let inside = |side: &Side<'_>| {
            let entry = side.entries().find(|e| !matches!(Place::of(e), Place::Anywhere(_)))?;
            let all = side.entries().all(|e| {
                !matches!(Place::of(e), Place::Anywhere(_) | Place::Unknown | Place::Name)
            });
            (side.lite && all).then(|| {
                format!(
                    "ICE-lite sends no checks, and nobody outside of its network reaches {}",
                    entry.address
                )
            })
        };
        self.why_inside = inside(offer).or_else(|| inside(answer));
        self.goes_on = offer.may_go_on() || answer.may_go_on();
        if !self.any {
            self.empty(offer, "the offer");
            self.empty(answer, "the answer");
            if self.why_not.is_none() {
                self.why_not = Some("their families, components or transports differ".into());
            }
        }
        self
    }

    /// A side that tells no candidate may have more to tell.
    fn empty(&mut self, side: &Side<'_>, name: &str) {
        if side.entries().next().is_some() {
            return;
        }
        if side.all.iter().any(|cand| cand.section.is_some_and(|s| s != cand.transport)) {
            self.why_not.get_or_insert_with(|| {
                format!("the candidates of {name} stand in a section where nobody looks for them")
            });
        } else if !side.all.is_empty() {
            self.untold = Some(format!(
                "the candidates of {name} belong to another generation of ICE than its description"
            ));
        } else if !side.sdp.unread.is_empty() {
            self.untold = Some(format!("the candidates of {name} cannot be read"));
        } else if side.sdp.says("end-of-candidates") {
            self.why_not.get_or_insert_with(|| {
                format!("{name} has no candidate, and says that none will follow")
            });
        } else {
            self.untold = Some(format!(
                "{name} has no candidate here; they follow one by one (trickle), or it was copied before they were gathered"
            ));
        }
    }

    /// The higher, the worse.
    pub(super) fn badness(&self) -> u8 {
        if let Some((could, _)) = &self.media {
            return match could {
                Could::Likely => 0,
                Could::Depends => 3,
                Could::SameNetwork => 5,
                Could::Cannot => 6,
            };
        }
        match self {
            Self { likely: Some(_), .. } => 0,
            Self { depends: Some(_), relay: Some(_), .. } => 1,
            Self { relay: Some(_), .. } => 2,
            Self { depends: Some(_), .. } => 3,
            Self { relay_depends: Some(_), .. } => 4,
            Self { same: Some(_), .. } => 5,
            _ => 6,
        }
    }

    /// One sentence, without its end.
    fn say(&self) -> String {
        if let Some((could, say)) = &self.media {
            return match could {
                Could::Likely => format!("A direct connection is {say}"),
                Could::Depends => format!("It depends: {say}"),
                Could::SameNetwork => format!("They connect only within one network: {say}"),
                Could::Cannot => format!("It cannot work: {say}"),
            };
        }
        match self {
            Self { likely: Some((_, pair)), .. } => {
                format!("A direct connection is likely: {pair}")
            }
            Self { depends: Some((_, pair)), relay: Some((_, relay)), .. } => format!(
                "A direct connection depends on the NATs ({pair}); failing that, a relay carries it ({relay})"
            ),
            Self { relay: Some((_, relay)), .. } => format!("Only a relay connects them: {relay}"),
            Self { depends: Some((_, pair)), .. } => format!(
                "A direct connection depends on the NATs ({pair}), and there is no relay to fall back on"
            ),
            Self { relay_depends: Some((_, relay)), .. } => {
                format!(
                    "Only a relay could connect them, and whether it does is not shown: {relay}"
                )
            }
            Self { same: Some(_), why_inside: Some(why), .. } => {
                format!("It cannot work from outside of one network: {why}")
            }
            Self { same: Some(_), .. } => {
                "They connect only within one network: no candidate can be reached from outside"
                    .into()
            }
            Self { untold: Some(why), .. } => {
                format!("It cannot be told whether they connect: {why}")
            }
            Self { why_not: Some(why), goes_on: true, .. } => {
                format!("With the candidates so far it cannot work: {why}")
            }
            Self { why_not: Some(why), .. } => format!("It cannot work: {why}"),
            _ => "No pair of candidates can work".into(),
        }
    }
}

fn bare(media: &str) -> &str {
    media.strip_prefix("media ").unwrap_or(media)
}

/// One sentence about all transports, the worst first.
pub fn summary(parts: &[Part]) -> String {
    let mut sorted: Vec<&Part> = parts.iter().collect();
    sorted.sort_by_key(|part| std::cmp::Reverse(part.badness()));
    let Some(worst) = sorted.first() else {
        return "No media flows: every section is refused, switched off or on hold.".to_owned();
    };
    let (Some(name), true) = (&worst.name, parts.len() > 1) else {
        return format!("{}.", worst.say());
    };
    let alike = sorted.iter().filter(|part| part.badness() == worst.badness()).count();
    if alike == parts.len() {
        return format!("{} (all {alike} sections are alike).", worst.say());
    }
    let rest: Vec<String> = sorted
        .iter()
        .skip(1)
        .take(3)
        .filter_map(|part| {
            let say = part.say();
            let say = say.split(": ").next().unwrap_or_default();
            part.name.as_ref().map(|name| format!("{name}: {}", lower(say)))
        })
        .collect();
    let mut title = name.clone();
    title[..1].make_ascii_uppercase();
    format!("{title} is the worst: {}. Besides, {}.", lower(&worst.say()), rest.join("; "))
}
