//! `#[instrument]`.

use crate::field::{Field, How};
use crate::span::{Name, Span};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Block, Error, Expr, ExprAsync, FnArg, ItemFn, LitStr, Pat, ReturnType, Stmt, Token, Type};

/// What stands in the attribute's parentheses.
#[derive(Default)]
pub(crate) struct Options {
    name: Option<TokenStream>,
    target: Option<TokenStream>,
    fields: Vec<Field>,
    skip: Vec<Ident>,
    skip_all: bool,
    args: bool,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            self.name = Some(input.parse::<LitStr>()?.into_token_stream());
            return Ok(());
        }
        let key = input.call(Ident::parse_any)?;
        match key.to_string().as_str() {
            "name" | "target" => {
                input.parse::<Token![=]>()?;
                let value = Some(input.parse::<Expr>()?.into_token_stream());
                *(if key == "name" { &mut self.name } else { &mut self.target }) = value;
            }
            "fields" => {
                let content;
                syn::parenthesized!(content in input);
                self.fields = Field::list(&content, true)?;
                if !content.is_empty() {
                    return Err(content.error("expected a field: key = value, ?value or %value"));
                }
            }
            "skip" => {
                let content;
                syn::parenthesized!(content in input);
                self.skip = Punctuated::<Ident, Token![,]>::parse_terminated_with(&content, Ident::parse_any)?
                    .into_iter()
                    .collect();
            }
            "skip_all" => self.skip_all = true,
            "args" => self.args = true,
            _ => {
                let message = "expected name = \"…\", target = \"…\", fields(…), args, skip(…) or skip_all";
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

pub(crate) fn expand(mut options: Options, mut function: ItemFn) -> syn::Result<TokenStream> {
    if let Some(word) = &function.sig.constness {
        return Err(Error::new(word.span, "a const function cannot be instrumented"));
    }
    let parameters = parameters(&function);
    if let Some(unknown) = options.skip.iter().find(|skipped| !parameters.contains(skipped)) {
        return Err(Error::new(unknown.span(), format!("{} has no parameter {unknown}", function.sig.ident)));
    }
    let mut fields = Vec::new();
    if options.args && !options.skip_all {
        let kept = parameters.into_iter().filter(|parameter| !options.skip.contains(parameter));
        fields.extend(kept.map(|parameter| Field {
            name: parameter.unraw().to_string(),
            span: parameter.span(),
            value: parameter.into_token_stream(),
            how: How::Debug,
        }));
        // A field of the same name says it better.
        fields.retain(|field| options.fields.iter().all(|given| given.name != field.name));
    }
    fields.append(&mut options.fields);
    let name = options.name.unwrap_or_else(|| function.sig.ident.unraw().to_string().into_token_stream());
    let mut span = Span {
        framelake: quote!(::framelake),
        kind: quote!(Span),
        target: options.target.unwrap_or_else(|| quote!(::core::module_path!())),
        name: Name::Static(name),
        fields,
    };

    if function.sig.asyncness.is_some() {
        span.kind = quote!(AsyncSpan);
        let (body, hint) = (&function.block.stmts, output_hint(&function.sig.output));
        let body = quote!(async move { #hint #(#body)* });
        function.block = Box::new(syn::parse2(instrumented(&span, &body))?);
    } else if let Some(inner) = returned_future(&mut function.block) {
        span.kind = quote!(AsyncSpan);
        inner.block = syn::parse2(instrumented(&span, &inner.to_token_stream()))?;
    } else {
        let (begin, body) = (span.expand(), &function.block.stmts);
        let guard = Ident::new("span", proc_macro2::Span::mixed_site());
        function.block = syn::parse_quote! {{
            let #guard = #begin;
            #(#body)*
        }};
    }
    Ok(function.into_token_stream())
}

/// A block that awaits `future` within the span.
fn instrumented(span: &Span, future: &TokenStream) -> TokenStream {
    let begin = span.expand();
    let guard = Ident::new("span", proc_macro2::Span::mixed_site());
    quote! {{
        let #guard = #begin;
        ::framelake::Instrument::instrument(#future, #guard).await
    }}
}

/// The `async move` block that a function returns as its future, itself or pinned in a box, as `#[async_trait]` makes them.
fn returned_future(body: &mut Block) -> Option<&mut ExprAsync> {
    let Some(Stmt::Expr(last, None)) = body.stmts.last_mut() else { return None };
    match last {
        Expr::Async(future) => Some(future),
        Expr::Call(call) if is_box_pin(&call.func) && call.args.len() == 1 => match call.args.first_mut() {
            Some(Expr::Async(future)) => Some(future),
            _ => None,
        },
        _ => None,
    }
    .filter(|future| future.capture.is_some())
}

fn is_box_pin(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let mut last = path.path.segments.iter().rev();
    last.next().is_some_and(|segment| segment.ident == "pin")
        && last.next().is_some_and(|segment| segment.ident == "Box")
}

/// Tells the compiler what the block returns, as the signature tells it for a function's body: coercions and `?` need it.
fn output_hint(output: &ReturnType) -> TokenStream {
    let ReturnType::Type(_, output) = output else { return TokenStream::new() };
    // These cannot be the type of a variable.
    if matches!(**output, Type::Never(_)) || contains_impl(output.to_token_stream()) {
        return TokenStream::new();
    }
    quote! {
        #[allow(unreachable_code, unused_variables, clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery)]
        if false {
            let output: #output = loop {};
            return output;
        }
    }
}

fn contains_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(word) => word == "impl",
        proc_macro2::TokenTree::Group(group) => contains_impl(group.stream()),
        _ => false,
    })
}

/// The names that the parameters bind.
fn parameters(function: &ItemFn) -> Vec<Ident> {
    let mut names = Vec::new();
    for parameter in &function.sig.inputs {
        match parameter {
            FnArg::Receiver(receiver) => names.push(Ident::new("self", receiver.self_token.span())),
            FnArg::Typed(typed) => collect_names(&typed.pat, &mut names),
        }
    }
    names
}

fn collect_names(pattern: &Pat, names: &mut Vec<Ident>) {
    match pattern {
        Pat::Ident(pattern) => names.push(pattern.ident.clone()),
        Pat::Reference(pattern) => collect_names(&pattern.pat, names),
        Pat::Paren(pattern) => collect_names(&pattern.pat, names),
        Pat::Type(pattern) => collect_names(&pattern.pat, names),
        Pat::Tuple(pattern) => pattern.elems.iter().for_each(|pattern| collect_names(pattern, names)),
        Pat::TupleStruct(pattern) => pattern.elems.iter().for_each(|pattern| collect_names(pattern, names)),
        Pat::Slice(pattern) => pattern.elems.iter().for_each(|pattern| collect_names(pattern, names)),
        Pat::Struct(pattern) => pattern.fields.iter().for_each(|field| collect_names(&field.pat, names)),
        _ => {}
    }
}
