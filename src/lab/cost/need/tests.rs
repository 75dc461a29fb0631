use super::super::shares::{SharesError, read};
use super::*;
use std::path::Path;

fn need(text: &str) -> Need {
    read("mine.toml", text).expect(text).need()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

fn of(names: &str) -> Need {
    Shares::find(names).expect(names).need()
}

#[test]
fn the_shipped_table_needs_a_relay_as_often_as_the_field_does() {
    let need = Shares::embedded().expect("readable").need();
    assert!(close(need.stun + need.order_dependent + need.turn, 1.0), "{need:?}");
    assert!(close(need.shares.iter().map(|s| s.share).sum(), 1.0));
    // about 21 %; and 15 to 22 % of calls were relayed in the field
    assert!((0.205..=0.22).contains(&need.turn), "{need:?}");
    assert!(need.ranges.turn.low > 0.15 && need.ranges.turn.high < 0.26, "{:?}", need.ranges);
    // for their NATs alone
    assert!((0.205..=0.215).contains(&need.ranges.turn_by_nat.high), "{:?}", need.ranges);
    assert!(need.ranges.turn_over_tcp.low < 1e-9 && need.ranges.turn_over_tcp.high < 0.04);
    assert_eq!(need.pairs[0].verdict, Verdict::Turn);
}

#[test]
fn every_shipped_table_says_where_it_comes_from_and_contains_its_middle() {
    for name in ["home", "fixed-cgn", "mobile", "mixed"] {
        let need = of(name);
        let [about] = need.populations.as_slice() else { panic!("{name}") };
        assert_eq!((about.name.as_str(), about.year), (name, Some(2016)));
        assert!(about.source.contains("Richter") || name == "mixed", "{name}");
        assert!(!about.counted.is_empty(), "{name}");
        assert!(about.assumed.iter().any(|line| line.contains("UDP is blocked")), "{name}");
        let ranges = need.ranges;
        for (value, range) in [
            (need.stun, ranges.stun),
            (need.order_dependent, ranges.order_dependent),
            (need.turn, ranges.turn),
            (need.turn_over_tcp, ranges.turn_over_tcp),
            (need.turn - need.turn_over_tcp, ranges.turn_by_nat),
        ] {
            assert!(range.low <= value + NONE && value <= range.high + NONE, "{name}: {need:?}");
        }
    }
    let dependent = |name: &str| {
        let need = of(name);
        let named = |s: &&Share| s.nat.starts_with("adm-adf or");
        let share = need.shares.iter().find(named).expect("a dependent mapping");
        (share.low, share.high)
    };
    assert_eq!(dependent("home"), (0.0, 0.02));
    assert_eq!(dependent("fixed-cgn"), (0.11, 0.11));
    assert_eq!(dependent("mobile"), (0.4, 0.4));
    let (low, high) = dependent("mixed");
    assert!(close(low, 0.25 * 0.4) && close(high, 0.25 * 0.4 + 0.75 * 0.02));
}

#[test]
fn pairs_are_weighted_both_ways() {
    let need = self::need("[shares]\neim-apdf = 3\nsymmetric = 1\n");
    // 2 * 3/4 * 1/4, and 1/4 * 1/4
    assert!(close(need.turn, 0.375 + 0.0625), "{need:?}");
    assert!(close(need.stun, 0.5625), "{need:?}");
    let Range { low, high } = need.ranges.turn;
    assert!(close(low, need.turn) && close(high, need.turn), "weights leave nothing open");
    let blocked = self::need("[shares]\nopen = 1\nudp-blocked = 1\n");
    assert!(close(blocked.turn, 0.75) && close(blocked.turn_over_tcp, 0.75));
    assert!(close(blocked.ranges.turn_by_nat.high, 0.0));
}

#[test]
fn order_dependent_pairs_are_counted_as_such() {
    let need = self::need("[shares]\neim-apdf = 1\napdm-eif = 1\n");
    assert!(close(need.order_dependent, 0.5) && close(need.stun, 0.5), "{need:?}");
    let pair = &need.pairs[0];
    assert_eq!((pair.a.as_str(), pair.b.as_str()), ("apdm-eif", "eim-apdf"));
    assert_eq!((pair.verdict, pair.first), (Verdict::OrderDependent, Some(End::B)));
    // the strict one must be first, whichever side it is on
    let mixed = self::need("[shares]\n\"eim-apdf or apdm-eif\" = 1\n");
    assert_eq!((mixed.pairs[0].verdict, mixed.pairs[0].first), (Verdict::OrderDependent, None));
}

#[test]
fn a_range_of_shares_gives_a_range_of_pairs() {
    let need = self::need("[shares]\nsymmetric = [10, 20]\neim-apdf = \"rest\"\n");
    // all but two cones
    let turn = |p: f64| 1.0 - (1.0 - p) * (1.0 - p);
    assert!(close(need.ranges.turn.low, turn(0.1)), "{:?}", need.ranges);
    assert!(close(need.ranges.turn.high, turn(0.2)), "{:?}", need.ranges);
    assert!(close(need.turn, turn(0.15)), "{need:?}");
    // between two corners: half of each depends on the order most often
    let need = self::need("[shares]\napdm-eif = [0, 100]\neim-apdf = [0, 100]\n");
    assert!(close(need.ranges.order_dependent.high, 0.5), "{:?}", need.ranges);
    assert!(close(need.ranges.order_dependent.low, 0.0), "{:?}", need.ranges);
}

#[test]
fn nats_that_no_source_tells_apart_widen_the_range() {
    let need = self::need("[shares]\n\"eim-adf or eim-apdf\" = 80\nsymmetric = 20\n");
    // symmetric towards its like always; towards the others if they filter by port
    assert!(close(need.ranges.turn.low, 0.04), "{:?}", need.ranges);
    assert!(close(need.ranges.turn.high, 0.04 + 0.32), "{:?}", need.ranges);
    assert!(close(need.turn, 0.04 + 0.16), "half of them: {need:?}");
}

#[test]
fn two_populations_meet_each_other_and_not_their_like() {
    let need = of("home:mobile");
    let [home, mobile] = need.populations.as_slice() else { panic!("{need:?}") };
    assert_eq!((home.name.as_str(), mobile.name.as_str()), ("home", "mobile"));
    let (among, across, apart) = (of("mobile").turn, need.turn, of("home").turn);
    assert!(apart < across && across < among, "{apart} {across} {among}");
    assert!(close(need.stun + need.order_dependent + need.turn, 1.0));
    assert!(close(of("mobile:home").turn, need.turn), "it has no direction");
    assert!(close(need.shares.iter().map(|s| s.share).sum(), 1.0));
    // with itself it is what it is alone
    assert!(close(of("mobile:mobile").turn, among));
}

#[test]
fn a_file_stands_wherever_a_name_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a:b.toml");
    std::fs::write(&file, "source = \"ours\"\n[shares]\nsymmetric = 1\n").expect("written");
    let path = file.display().to_string();
    assert!(close(of(&path).turn, 1.0));
    let need = of(&format!("home:{path}"));
    assert_eq!(need.populations[1].name, path);
    assert!(need.source.ends_with("; and ours"), "{}", need.source);
    assert!(need.turn > 0.9, "{need:?}");
    // several tables in one file
    let many = folder.path().join("many.toml");
    std::fs::write(&many, "[x.shares]\nopen = 1\n[y.shares]\nsymmetric = 1\n").expect("written");
    let many = many.display().to_string();
    assert!(close(of(&format!("{many}#y")).turn, 1.0));
    let which = Shares::find(&many).expect_err("two tables").to_string();
    assert!(which.contains("(x, y)") && which.contains("many.toml#x"), "{which}");
}

#[test]
fn a_name_that_is_none_is_told_the_nearest() {
    for (names, said) in [
        ("mobil", "no table of shares named `mobil` (did you mean `mobile`?)"),
        ("home:mobil", "did you mean `mobile`?"),
        ("hoem:mobile", "did you mean `home`?"),
        ("xyzzy", "those of the program are fixed-cgn, home, mixed, mobile"),
        ("home:", "`home:` does not name one population or two"),
        (":", "write NAME or NAME:NAME"),
        ("home:mobile:mixed", "does not name one population or two"),
        ("/nonexistent/mine.toml", "/nonexistent/mine.toml: "),
        ("home:no-such.toml", "no-such.toml: "),
    ] {
        let error = Shares::find(names).expect_err(names).to_string();
        assert!(error.contains(said), "{names}: {error}");
    }
}

#[test]
fn a_bad_table_says_where() {
    for (text, said) in [
        ("[shares]\neim-apdf = 3\nsymetric = 1\n", "mine.toml:3: there is no NAT"),
        ("[shares]\n\"open or symetric\" = 1\n", "mine.toml:2: there is no NAT named `symetric`"),
        ("[shares]\neim-apdf = -3\n", "mine.toml:2: the weight"),
        ("[shares]\neim-apdf = nan\n", "mine.toml:2: the weight"),
        ("[shares]\neim-apdf = \"many\"\n", "mine.toml:2: the weight of `eim-apdf` is none"),
        ("[shares]\neim-apdf = [1, 2, 3]\n", "mine.toml:2: the weight of `eim-apdf` is none"),
        ("[shares]\neim-apdf = [3, 2]\n", "mine.toml:2: the range of `eim-apdf` ends below"),
        ("[shares]\neim-apdf = 0\n", "mine.toml: no NAT has a weight"),
        ("[shares]\neim-apdf = [10, 20]\nopen = 5\n", "these come to 15 to 25, not to 100"),
        ("[shares]\nopen = 120\neim-apdf = \"rest\"\n", "which is over 100"),
        ("[shares]\nopen = \"rest\"\neim-apdf = \"rest\"\n", "only one share can be the rest"),
        ("[share]\neim-apdf = 1\n", "mine.toml:1: unknown field"),
        ("[x]\nshares = { open = 1 }\nsauce = 3\n", "mine.toml:3: unknown field"),
        ("", "missing field `shares`"),
    ] {
        let error = read("mine.toml", text).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let row = |nat: &&str| format!("{nat} = [0, 50]\n");
    let seven = ["open", "firewall", "eim-eif", "eim-adf", "eim-apdf", "adm-eif", "adm-adf"];
    let rows: String = seven.iter().map(row).collect();
    let error = read("mine.toml", &format!("[shares]\n{rows}")).expect_err("many").to_string();
    assert!(error.contains("more than 6 shares are ranges"), "{error}");
    let error: SharesError = Shares::load(Path::new("/nonexistent/mine.toml")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/mine.toml"), "{error}");
}

/// The table of `docs/cost.md`.
#[test]
fn the_document_says_what_the_tables_come_to() {
    let document = include_str!("../../../../docs/cost.md");
    let percent =
        |r: Range| match (format!("{:.0}", r.low * 100.0), format!("{:.0}", r.high * 100.0)) {
            (low, high) if low == high => format!("{low} %"),
            (low, high) => format!("{low}-{high} %"),
        };
    let mut wrong = Vec::new();
    for name in ["home", "fixed-cgn", "mobile", "mixed", "home:mobile"] {
        let Ranges { turn, turn_by_nat, .. } = of(name).ranges;
        let row = document.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let end = format!("| {} | {} |", percent(turn), percent(turn_by_nat));
        if !row.expect(name).ends_with(&end) {
            wrong.push(format!("{name}: {end}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
