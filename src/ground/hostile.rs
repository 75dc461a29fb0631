//! The characters that text from the network or from a file may not show as they are. One list:
//! what prints (`report`), what keeps (`stun`) and what writes JSON use it.

/// Whether a character moves a cursor, hides, turns the direction of a line or breaks it: control
/// characters (C0, DEL, C1), the separators of lines and paragraphs, what Unicode draws as nothing
/// (`Default_Ignorable_Code_Point`: zero-width, bidirectional, fillers, variation selectors, tags),
/// and interlinear annotations.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::is_hostile;

    #[test]
    fn what_steers_or_hides_is_hostile_and_letters_are_not() {
        let hostile = [
            '\0',
            '\t',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{9d}',
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e01ef}',
        ];
        for c in hostile {
            assert!(is_hostile(c), "{c:?}");
        }
        for c in "plain ünïcode ﷺ 日本語 😀 \u{a0}~§é\u{301}\u{fffd}".chars() {
            assert!(!is_hostile(c), "{c:?}");
        }
    }
}
