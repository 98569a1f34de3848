//! `?` as JDBC and ODBC write it.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};
use std::borrow::Cow;

/// Numbers every `?` placeholder: `a = ? AND b = ?` becomes `a = $1 AND b = $2`. Text and comments stay as they are; so does what cannot be read (the parser
/// says why).
pub(super) fn number(sql: &str) -> Cow<'_, str> {
    if !sql.contains('?') {
        return Cow::Borrowed(sql);
    }
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else {
        return Cow::Borrowed(sql);
    };
    let mut places = tokens
        .iter()
        .filter(|token| token.token == Token::Placeholder("?".into()))
        .map(|token| token.span.start)
        .peekable();

    let mut numbered = String::with_capacity(sql.len() + 8);
    let mut here = Location { line: 1, column: 1 };
    let mut count = 0;
    for character in sql.chars() {
        if places.next_if_eq(&here).is_some() {
            count += 1;
            numbered.push_str(&format!("${count}"));
        } else {
            numbered.push(character);
        }
        here = match character {
            '\n' => Location { line: here.line + 1, column: 1 },
            _ => Location { line: here.line, column: here.column + 1 },
        };
    }
    Cow::Owned(numbered)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn question_marks_are_numbered_outside_text_and_comments() {
        let check = |sql: &str, expected: &str| assert_eq!(number(sql), expected);
        check("SELECT 1", "SELECT 1");
        check("SELECT ?, ?", "SELECT $1, $2");
        check("SELECT 'wh?t', \"c?l\", ? -- why?\n , ?\n/* ? */", "SELECT 'wh?t', \"c?l\", $1 -- why?\n , $2\n/* ? */");
        check("SELECT 'Grüße 🦀',\n\t?\r\n + ?", "SELECT 'Grüße 🦀',\n\t$1\r\n + $2");
        check("SELECT 'open ?", "SELECT 'open ?");
    }
}
