//! The arguments of one event: each expression is evaluated once, and stored once for each way in which it is formatted.

use crate::field::{Field, How};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};

/// An event holds no more.
pub(crate) const ARGUMENTS_MAX: usize = 16;

#[derive(Default)]
pub(crate) struct Arguments {
    /// In the order of the source.
    bound: Vec<Bound>,
    /// In the order in which they are stored.
    stored: Vec<Stored>,
}

/// An expression that is evaluated once.
struct Bound {
    value: TokenStream,
    variable: Ident,
    /// By value, where the others are borrowed.
    moved: bool,
}

struct Stored {
    name: String,
    bound: usize,
    /// A format string for this argument alone, whose arguments are `formatted`: itself, and those that are its widths and precisions.
    format: Literal,
    formatted: Vec<usize>,
    /// Only the text says what is meant: an address.
    only_text: bool,
    /// The format is `{}`.
    is_plain: bool,
}

impl Arguments {
    /// Evaluates an expression; what uses it refers to the number returned. `span` is that of the expression.
    pub(crate) fn bind(&mut self, value: TokenStream, span: Span) -> usize {
        let number = self.bound.len();
        // Hygienic, but shown to the user as the expression it stands for.
        let variable = Ident::new(&format!("argument_{number}"), Span::mixed_site().located_at(span));
        self.bound.push(Bound { value, variable, moved: false });
        number
    }

    /// [`Arguments::bind`] for an expression whose value is wanted, not a reference to it.
    pub(crate) fn bind_moved(&mut self, value: TokenStream, span: Span) -> usize {
        let number = self.bind(value, span);
        self.bound[number].moved = true;
        number
    }

    pub(crate) fn bind_fields(&mut self, fields: &[Field]) -> Vec<usize> {
        fields.iter().map(|field| self.bind(field.value.clone(), field.span)).collect()
    }

    /// Stores an argument under a name, or under its number. `format` has a placeholder for it, and `formatted` are its arguments.
    pub(crate) fn store(
        &mut self,
        name: Option<String>,
        bound: usize,
        format: &str,
        formatted: Vec<usize>,
        span: Span,
        only_text: bool,
    ) -> usize {
        let number = self.stored.len();
        let name = name.unwrap_or_else(|| number.to_string());
        let is_plain = matches!(format, "{}" | "{0}");
        let format = literal(format, span);
        self.stored.push(Stored { name, bound, format, formatted, only_text, is_plain });
        number
    }

    /// Stores fields that were bound before.
    pub(crate) fn store_fields(&mut self, fields: &[Field], bound: &[usize]) {
        for (field, &bound) in fields.iter().zip(bound) {
            let format = if field.how == How::Debug { "{:?}" } else { "{}" };
            self.store(Some(field.name.clone()), bound, format, vec![bound], field.span, false);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.stored.len() > ARGUMENTS_MAX
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.stored.iter().map(|stored| stored.name.as_str()).collect()
    }

    /// The names as a slice of strings.
    pub(crate) fn names_tokens(&self) -> TokenStream {
        let names = self.names();
        quote!(&[#(#names),*])
    }

    /// The variable that a bound expression is in, within [`Arguments::evaluate`].
    pub(crate) fn variable(&self, bound: usize) -> &Ident {
        &self.bound[bound].variable
    }

    /// `inner` with all expressions evaluated, and borrowed as `format!` borrows them.
    pub(crate) fn evaluate(&self, inner: TokenStream) -> TokenStream {
        let values = self.bound.iter().map(|bound| {
            let value = &bound.value;
            if bound.moved { value.clone() } else { quote_spanned!(bound.variable.span()=> &(#value)) }
        });
        let variables = self.bound.iter().map(|bound| &bound.variable);
        quote! {
            match (#(#values,)*) { (#(#variables,)*) => #inner }
        }
    }

    /// The tuple of what is stored, within [`Arguments::evaluate`].
    pub(crate) fn tuple(&self, private: &TokenStream) -> TokenStream {
        let values = self.stored.iter().map(|stored| {
            let format = &stored.format;
            let variable = self.variable(stored.bound);
            let read = |variable: &Ident| quote_spanned!(variable.span()=> *#variable);
            let counts = stored.formatted[1..].iter().map(|&bound| read(self.variable(bound)));
            if stored.only_text {
                // The address that is meant is the expression's, not that of our reference to it.
                let address = read(variable);
                quote!(#private::Formatted::Text(::core::format_args!(#format, #address #(, #counts)*)))
            } else {
                let how = if stored.is_plain { quote!(shown) } else { quote!(arg) };
                quote!((&&#private::Probe(#variable)).#how(::core::format_args!(#format, #variable #(, #counts)*)))
            }
        });
        quote!((#(#values,)*))
    }

    /// What [`Arguments::tuple`] needs in scope.
    pub(crate) fn traits(private: &TokenStream) -> TokenStream {
        quote! {
            #[allow(unused_imports)]
            use #private::{ProbeFormatted as _, ProbeRaw as _, ProbeShown as _};
        }
    }
}

/// A string that the user did not write himself, but that errors point to where he wrote `span`.
pub(crate) fn literal(text: &str, span: Span) -> Literal {
    let mut literal = Literal::string(text);
    literal.set_span(Span::mixed_site().located_at(span));
    literal
}
