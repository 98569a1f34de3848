//! What the public macros put before the user's own words.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Expr, Ident, Token};

/// `[…]`: something that `macro_rules` hands on, as the path of the crate.
pub(crate) fn bracketed(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let content;
    syn::bracketed!(content in input);
    content.parse()
}

/// `key: value,`, if it stands here.
pub(crate) fn take_key(input: ParseStream<'_>, key: &str) -> syn::Result<Option<TokenStream>> {
    let ahead = input.fork();
    if !(ahead.call(Ident::parse_any).is_ok_and(|ident| ident == key)
        && ahead.peek(Token![:])
        && !ahead.peek(Token![::]))
    {
        return Ok(None);
    }
    input.call(Ident::parse_any)?;
    input.parse::<Token![:]>()?;
    let value = input.parse::<Expr>()?.into_token_stream();
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(Some(value))
}
