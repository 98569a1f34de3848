//! The gateway's reply: `{"positions": [...], "rejected": [{"index": 3, "reason": "..."}], "control": "info,net=debug"}`.
//!
//! Only `rejected` and `control` are read, so a few lines do what a JSON crate would add to every program that links the SDK. `rejected` is always there: without
//! it, what answered is not a gateway.

use crate::Refusal;

/// Nesting beyond this is not a gateway's reply.
const DEPTH_MAX: usize = 32;

/// What a reply says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) refused: Vec<Refusal>,
    pub(super) control: Option<String>,
}

/// The reply to a batch of `records`; `None` when `text` is not one.
pub(super) fn read(text: &str, records: usize) -> Option<Reply> {
    let mut json = Json { rest: text };
    let mut refused = None;
    let mut control = None;
    json.object(|json, key| {
        match key {
            "rejected" => {
                let refused = refused.insert(Vec::new());
                json.array(|json| {
                    refused.push(refusal(json, records)?);
                    Some(())
                })?;
            }
            "control" if json.peek()? == '"' => control = Some(json.string()?),
            _ => json.skip(0)?,
        }
        Some(())
    })?;
    Some(Reply { refused: refused?, control })
}

fn refusal(json: &mut Json<'_>, records: usize) -> Option<Refusal> {
    let (mut index, mut reason) = (None, String::new());
    json.object(|json, key| {
        match key {
            "index" => index = Some(json.number()?),
            "reason" => reason = json.string()?,
            _ => json.skip(0)?,
        }
        Some(())
    })?;
    let index = usize::try_from(index?).ok().filter(|index| *index < records)?;
    Some(Refusal { index, reason })
}

struct Json<'a> {
    rest: &'a str,
}

impl Json<'_> {
    fn eat(&mut self, token: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.eat('{')?;
        if self.eat('}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.eat(':')?;
            field(self, &key)?;
            if self.eat(',').is_none() {
                return self.eat('}');
            }
        }
    }

    fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat('[')?;
        if self.eat(']').is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.eat(',').is_none() {
                return self.eat(']');
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.eat('"')?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' | 'f' => text.push(' '),
                    'u' => {
                        let hex: String = (0..4).filter_map(|_| chars.next()).map(|(_, char)| char).collect();
                        let code = u32::from_str_radix(&hex, 16).ok()?;
                        // Halves of a pair are shown as what they are: not a character.
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    escaped => text.push(escaped),
                },
                _ => text.push(char),
            }
        }
        None
    }

    fn word(&mut self) -> Option<&str> {
        self.rest = self.rest.trim_start();
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn number(&mut self) -> Option<u64> {
        self.word()?.parse().ok()
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.peek()? {
            '{' => self.object(|json, _| json.skip(depth + 1)),
            '[' => self.array(|json| json.skip(depth + 1)),
            '"' => self.string().map(drop),
            _ => self.word().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_records_are_found_among_anything_else() {
        let check = |text: &str, expected: Option<&[(usize, &str)]>| {
            let expected = expected.map(|list| {
                list.iter().map(|(index, reason)| Refusal { index: *index, reason: (*reason).into() }).collect()
            });
            assert_eq!(read(text, 10).map(|reply| reply.refused), expected, "{text}");
        };
        check(r#"{"positions":[{"topic":"a","offset":1.5e3},null],"rejected":[]}"#, Some(&[]));
        check(
            r#" { "rejected" : [ {"index": 3, "reason": "payload \"x\" \u0041\n"}, {"reason":"","index":0,"more":[{}]} ], "positions": [] } "#,
            Some(&[(3, "payload \"x\" A\n"), (0, "")]),
        );
        for bad in [
            "",
            "ok",
            "[]",
            "{}",
            r#"{"status":"ok"}"#,
            r#"{"rejected":[{"index":10,"reason":""}]}"#,
            r#"{"rejected":[{"index":3"#,
        ] {
            check(bad, None);
        }
        check(&format!("{{\"a\":{}", "[".repeat(100_000)), None);
    }

    #[test]
    fn a_control_text_is_read_where_there_is_one() {
        let check = |text: &str, control: Option<&str>| {
            assert_eq!(read(text, 10).unwrap().control.as_deref(), control, "{text}");
        };
        check(r#"{"positions":[],"rejected":[],"control":"info,net=debug"}"#, Some("info,net=debug"));
        check(r#"{"control":"","rejected":[]}"#, Some(""));
        check(r#"{"control":null,"rejected":[]}"#, None);
        check(r#"{"control":{"of":"another version"},"rejected":[]}"#, None);
        check(r#"{"rejected":[]}"#, None);
    }
}
