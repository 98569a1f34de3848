//! Fields: `key = value`, `key = %value`, `key = ?value`, `key`, `%key`, `?key`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, ExprField, Ident, Lit, LitFloat, LitInt, LitStr, Member, Token};

/// A value recorded under a name.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: TokenStream,
    pub(crate) span: Span,
    pub(crate) how: How,
}

/// What formats a value whose type is not stored raw.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum How {
    Display,
    Debug,
}

impl How {
    /// `%` or `?`, if one stands here.
    fn parse(input: ParseStream<'_>) -> syn::Result<Option<Self>> {
        if input.peek(Token![%]) {
            input.parse::<Token![%]>()?;
            return Ok(Some(How::Display));
        }
        if input.peek(Token![?]) {
            input.parse::<Token![?]>()?;
            return Ok(Some(How::Debug));
        }
        Ok(None)
    }
}

impl Field {
    /// Whether a field and no expression stands here. A name alone is one only where it `may_be_alone`.
    pub(crate) fn is_next(input: ParseStream<'_>, may_be_alone: bool) -> bool {
        if input.peek(Token![%]) || input.peek(Token![?]) {
            return true;
        }
        let ahead = input.fork();
        let named = if ahead.peek(LitStr) { ahead.parse::<LitStr>().is_ok() } else { Name::parse(&ahead).is_ok() };
        let assigned = ahead.peek(Token![=]) && !ahead.peek(Token![==]);
        let alone = !input.peek(LitStr) && may_be_alone && (ahead.is_empty() || ahead.peek(Token![,]));
        named && (assigned || alone)
    }

    /// Fields up to the end of the input, or up to what is none.
    pub(crate) fn list(input: ParseStream<'_>, may_be_alone: bool) -> syn::Result<Vec<Self>> {
        let mut fields = Vec::new();
        while !input.is_empty() && Field::is_next(input, may_be_alone) {
            fields.push(input.parse()?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(fields)
    }
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let span = input.span();
        let how = How::parse(input)?;
        let name = if input.peek(LitStr) { Err(input.parse::<LitStr>()?) } else { Ok(Name::parse(input)?) };
        if how.is_none() && input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let how = How::parse(input)?.unwrap_or(How::Display);
            let span = input.span();
            let value = input.parse::<Expr>()?.into_token_stream();
            let name = name.map_or_else(|literal| literal.value(), |name| name.text);
            return Ok(Self { name, value, span, how });
        }
        match name {
            Ok(name) => Ok(Self { name: name.text, value: name.value, span, how: how.unwrap_or(How::Display) }),
            Err(literal) => Err(syn::Error::new(literal.span(), "a name in quotes needs a value: \"a name\" = value")),
        }
    }
}

/// `a` or `a.b.0`.
struct Name {
    text: String,
    /// The same as an expression.
    value: TokenStream,
}

impl Name {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let first = input.call(Ident::parse_any)?;
        let mut text = first.unraw().to_string();
        let mut value = first.into_token_stream();
        while input.peek(Token![.]) && !input.peek(Token![..]) {
            input.parse::<Token![.]>()?.to_tokens(&mut value);
            text.push('.');
            // A tuple's field; that of a tuple in a tuple reads as a float.
            if input.peek(LitInt) || input.peek(LitFloat) {
                let next = input.parse::<Lit>()?;
                text.push_str(&next.to_token_stream().to_string());
                next.to_tokens(&mut value);
            } else {
                let next = input.call(Ident::parse_any)?;
                text.push_str(&next.unraw().to_string());
                next.to_tokens(&mut value);
            }
        }
        Ok(Self { text, value })
    }
}

/// What to call an argument that was given no name: its own where it is a variable or a field.
pub(crate) fn name_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.get_ident().map(|name| name.unraw().to_string()),
        Expr::Field(ExprField { member: Member::Named(name), .. }) => Some(name.unraw().to_string()),
        Expr::Reference(reference) => name_of(&reference.expr),
        Expr::Paren(paren) => name_of(&paren.expr),
        Expr::Group(group) => name_of(&group.expr),
        _ => None,
    }
}
