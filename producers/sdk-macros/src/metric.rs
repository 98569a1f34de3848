//! Metrics with tags or a property set.

use crate::arguments::Arguments;
use crate::field::Field;
use crate::input::bracketed;
use crate::span::too_many;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, Token};

/// `[$crate] name, unit, value, set` or `[$crate] name, unit, value, tags`.
pub(crate) struct Metric {
    framelake: TokenStream,
    name: Expr,
    unit: Expr,
    value: Expr,
    with: With,
}

enum With {
    Set(Box<Expr>),
    Tags(Vec<Field>),
}

impl Parse for Metric {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let framelake = bracketed(input)?;
        let name = input.parse()?;
        input.parse::<Token![,]>()?;
        let unit = input.parse()?;
        input.parse::<Token![,]>()?;
        let value = input.parse()?;
        input.parse::<Token![,]>()?;
        let with = if Field::is_next(input, false) {
            With::Tags(Field::list(input, false)?)
        } else {
            let set = input.parse()?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
            With::Set(set)
        };
        if !input.is_empty() {
            return Err(input.error("expected one PropertySet, or tags: key = value"));
        }
        Ok(Self { framelake, name, unit, value, with })
    }
}

impl Metric {
    pub(crate) fn expand(&self) -> TokenStream {
        let Self { framelake, name, unit, value, with } = self;
        let private = quote!(#framelake::__private);
        let site = quote! {
            #private::CallSite::metric(#name, #unit, ::core::module_path!(), ::core::file!(), ::core::line!())
        };
        let tags = match with {
            With::Set(set) => {
                return quote! {{
                    static __FRAMELAKE_SITE: #private::CallSite = #site;
                    #private::metric(&__FRAMELAKE_SITE, #value, #set);
                }};
            }
            With::Tags(tags) => tags,
        };
        let mut arguments = Arguments::default();
        let measured = arguments.bind_moved(value.to_token_stream(), value.span());
        let bound = arguments.bind_fields(tags);
        arguments.store_fields(tags, &bound);
        if arguments.are_too_many() {
            return too_many(tags.last());
        }
        let names = arguments.names_tokens();
        let (tuple, traits) = (arguments.tuple(&private), Arguments::traits(&private));
        let measured = arguments.variable(measured);
        let record = arguments.evaluate(quote! {{
            #traits
            #private::metric_args(on, #measured, #tuple)
        }});
        quote! {{
            static __FRAMELAKE_SITE: #private::CallSite = #site.with_args(#names, "");
            if let ::core::option::Option::Some(on) = #private::on(&__FRAMELAKE_SITE) {
                #record
            }
        }}
    }
}
