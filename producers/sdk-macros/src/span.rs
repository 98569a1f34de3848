//! Spans, of a thread or asynchronous.

use crate::arguments::{ARGUMENTS_MAX, Arguments};
use crate::field::Field;
use crate::input::{bracketed, take_key};
use proc_macro2::{Span as Place, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Token};

/// Begins a span: an expression that yields it.
pub(crate) struct Span {
    pub(crate) framelake: TokenStream,
    /// `Span` or `AsyncSpan`.
    pub(crate) kind: TokenStream,
    pub(crate) target: TokenStream,
    pub(crate) name: Name,
    pub(crate) fields: Vec<Field>,
}

pub(crate) enum Name {
    /// A constant: the call site has it.
    Static(TokenStream),
    /// Known when the span begins: the first argument.
    Dynamic(Box<Expr>),
}

/// `[$crate] [kind] target: …, "name" or name: …, fields`.
impl Parse for Span {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (framelake, kind) = (bracketed(input)?, bracketed(input)?);
        let target = take_key(input, "target")?.unwrap_or_else(|| quote!(::core::module_path!()));
        let name = match take_key(input, "name")? {
            Some(name) => Name::Dynamic(syn::parse2(name)?),
            None => {
                let name = input.parse::<Expr>()?.into_token_stream();
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
                Name::Static(name)
            }
        };
        let fields = Field::list(input, true)?;
        if !input.is_empty() {
            return Err(input.error("expected a field: key = value, ?value or %value"));
        }
        Ok(Self { framelake, kind, target, name, fields })
    }
}

impl Span {
    pub(crate) fn expand(&self) -> TokenStream {
        let (framelake, kind, target) = (&self.framelake, &self.kind, &self.target);
        let private = quote!(#framelake::__private);
        let mut arguments = Arguments::default();
        let (site_name, named) = match &self.name {
            Name::Static(name) => (name.clone(), TokenStream::new()),
            Name::Dynamic(name) => {
                let span = syn::spanned::Spanned::span(name);
                let bound = arguments.bind(name.to_token_stream(), span);
                arguments.store(Some("name".to_owned()), bound, "{}", vec![bound], span, false);
                (quote!(::core::stringify!(#name)), quote!(.named()))
            }
        };
        let bound = arguments.bind_fields(&self.fields);
        arguments.store_fields(&self.fields, &bound);
        if arguments.are_too_many() {
            return too_many(self.fields.last());
        }
        if arguments.is_empty() {
            return quote! {{
                static __FRAMELAKE_SITE: #private::CallSite =
                    #private::CallSite::span(#site_name, #target, ::core::file!(), ::core::line!());
                #framelake::#kind::begin(&__FRAMELAKE_SITE)
            }};
        }
        let names = arguments.names_tokens();
        let (tuple, traits) = (arguments.tuple(&private), Arguments::traits(&private));
        let begin = arguments.evaluate(quote! {{
            #traits
            #framelake::#kind::begin_with(on, #tuple)
        }});
        quote! {{
            static __FRAMELAKE_SITE: #private::CallSite =
                #private::CallSite::span(#site_name, #target, ::core::file!(), ::core::line!())
                    .with_args(#names, "")#named;
            match #private::on(&__FRAMELAKE_SITE) {
                ::core::option::Option::Some(on) => #begin,
                ::core::option::Option::None => #framelake::#kind::none(),
            }
        }}
    }
}

/// Says that an event has more arguments than it can hold.
pub(crate) fn too_many(last: Option<&Field>) -> TokenStream {
    let span = last.map_or_else(Place::call_site, |field| field.span);
    Error::new(span, format!("an event holds {ARGUMENTS_MAX} arguments; leave some out")).to_compile_error()
}
