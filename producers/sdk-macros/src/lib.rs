//! Attribute macros of the Framelake SDK. Use them through the crate `framelake`.

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, ItemFn, LitStr, Token, parse_macro_input};

/// Records each call of a function as a span, named as the function is or as given: `#[instrument]`, `#[instrument("load")]`,
/// `#[instrument(name = "load")]`.
///
/// The span begins before the arguments are used and ends after everything that the function owns was dropped, the arguments excepted.
/// `async` and `const` functions cannot be instrumented.
///
/// ```ignore
/// #[framelake::instrument]
/// fn steer(agent: &mut Agent) { /* … */ }
/// ```
#[proc_macro_attribute]
pub fn instrument(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let mut function = parse_macro_input!(item as ItemFn);
    if let Some(word) = &function.sig.asyncness {
        let message = "a span cannot follow an async function across threads; use span! between its awaits";
        return Error::new(word.span, message).to_compile_error().into();
    }
    if let Some(word) = &function.sig.constness {
        return Error::new(word.span, "a const function cannot be instrumented").to_compile_error().into();
    }
    let name = arguments.name.unwrap_or_else(|| {
        let name = function.sig.ident.to_string();
        let name: Expr = syn::parse_str(&format!("{:?}", name.trim_start_matches("r#"))).expect("a string literal");
        name
    });
    let body = &function.block;
    function.block = syn::parse_quote! {{
        ::framelake::span!(#name);
        #body
    }};
    quote!(#function).into()
}

/// Nothing, a string, or `name = …`.
struct Arguments {
    name: Option<Expr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self { name: None });
        }
        if input.peek(LitStr) {
            return Ok(Self { name: Some(input.parse()?) });
        }
        let key: Ident = input.parse()?;
        if key != "name" {
            return Err(Error::new(key.span(), "only a name can be given: #[instrument(name = \"…\")]"));
        }
        input.parse::<Token![=]>()?;
        Ok(Self { name: Some(input.parse()?) })
    }
}
