//! Sources without what isn't code of theirs: comments, what stands in quotes, tests.

/// `text` without comments, and with nothing inside of string and character literals.
fn without_comments_and_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word_before = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' if !word_before || out.ends_with(['b', 'c']) => raw(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

/// The length of the block comment at the start, with those inside of it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// The length of the string literal at the start.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal at the start; 0 where there is none.
fn raw(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|b| *b == b'#').count();
    let start = 1 + hashes;
    if !text[start..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[start + 1..].find(&end).map_or(text.len(), |i| start + 1 + i + end.len())
}

/// The length of the character literal at the start; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            text[2..].char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(text.len(), |(i, _)| i + 3)
        }
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(i, _)| i + 1),
        None => 0,
    }
}

/// The code of a source, without its tests.
pub fn code(text: &str) -> String {
    const TEST: &str = "#[cfg(test)]";
    let mut text = without_comments_and_quotes(text);
    while let Some(start) = text.find(TEST) {
        let mut depth = 0;
        let item = text[start + TEST.len()..].char_indices();
        let end = item.scan(&mut depth, |depth, (i, c)| {
            match c {
                '{' | '[' | '(' => **depth += 1,
                '}' | ']' | ')' => **depth -= 1,
                _ => {}
            }
            Some((i, c, **depth))
        });
        // The item ends with its outermost brace, or with a semicolon.
        let end = end.into_iter().find(|(_, c, depth)| *depth == 0 && matches!(c, '}' | ';'));
        let end = end.map_or(text.len(), |(i, ..)| start + TEST.len() + i + 1);
        text.replace_range(start..end, "");
    }
    text
}
