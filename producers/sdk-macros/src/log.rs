//! Log lines.

use crate::arguments::{Arguments, literal};
use crate::field::{Field, How, name_of};
use crate::format::{Format, Placeholder, Reference};
use crate::input::{bracketed, take_key};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Token};

/// `[$crate] [level or nothing] target: …, level, fields, format, arguments`.
pub(crate) struct Log {
    framelake: TokenStream,
    level: TokenStream,
    target: TokenStream,
    fields: Vec<Field>,
    message: Option<Message>,
}

/// The format string and its arguments.
struct Message {
    format: Expr,
    arguments: Vec<Argument>,
    /// As the user wrote them.
    written: TokenStream,
}

struct Argument {
    name: Option<Ident>,
    value: Expr,
}

impl Parse for Log {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let framelake = bracketed(input)?;
        let mut level = bracketed(input)?;
        let target = take_key(input, "target")?.unwrap_or_else(|| quote!(::core::module_path!()));
        if level.is_empty() {
            level = input.parse::<Expr>()?.into_token_stream();
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if input.is_empty() {
            return Err(input.error("a log line needs a format string or a field: info!(\"loaded {map}\")"));
        }
        let fields = Field::list(input, true)?;
        let message = if input.is_empty() { None } else { Some(input.parse()?) };
        Ok(Self { framelake, level, target, fields, message })
    }
}

impl Parse for Message {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let format = input.parse()?;
        let written = input.fork().parse()?;
        let mut arguments = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                arguments.push(input.parse()?);
            }
        }
        Ok(Self { format, arguments, written })
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let named = input.peek(syn::Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        let name = if named {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            Some(name)
        } else {
            None
        };
        Ok(Self { name, value: input.parse()? })
    }
}

impl Log {
    pub(crate) fn expand(self) -> TokenStream {
        match &self.message {
            None => {
                self.expand_message(LitStr::new("", proc_macro2::Span::call_site()), Format { pieces: vec![] }, &[])
            }
            Some(message) => {
                let literal = literal_of(&message.format);
                let format = literal.as_ref().and_then(|literal| Format::parse(&literal.value()));
                match (literal, format) {
                    (Some(literal), Some(format)) if message.fits(&format) => {
                        self.expand_message(literal, format, &message.arguments)
                    }
                    // No literal, or one that is wrong: then `format_args!` says so.
                    _ => self.expand_formatted(message),
                }
            }
        }
    }

    fn expand_message(&self, source: LitStr, format: Format, explicit: &[Argument]) -> TokenStream {
        let private = self.private();
        let mut arguments = Arguments::default();
        let fields = arguments.bind_fields(&self.fields);
        let mut known: Vec<Known> = Vec::new();
        for argument in explicit {
            let span = syn::spanned::Spanned::span(&argument.value);
            let bound = arguments.bind(argument.value.to_token_stream(), span);
            let name = argument.name.as_ref().map(|name| name.unraw().to_string());
            let shown = name.clone().or_else(|| name_of(&argument.value));
            known.push(Known { name, shown, bound });
        }
        for name in format.placeholders().flat_map(|placeholder| {
            std::iter::once(&placeholder.argument).chain(placeholder.counts()).filter_map(Reference::name)
        }) {
            if known.iter().all(|known| known.name.as_deref() != Some(name)) {
                let variable = variable(name, source.span());
                let bound = arguments.bind(variable.into_token_stream(), source.span());
                known.push(Known { name: Some(name.to_owned()), shown: Some(name.to_owned()), bound });
            }
        }
        let find = |reference: &Reference| match reference {
            Reference::Position(position) => &known[*position],
            Reference::Name(name) => {
                known.iter().find(|known| known.name.as_ref() == Some(name)).expect("all names were bound")
            }
        };

        // What is stored: (expression, its own format string and the arguments of that, whether it is an address).
        let mut stored: Vec<(usize, (String, Vec<usize>), bool)> = Vec::new();
        let mut places = Vec::new();
        for placeholder in format.placeholders() {
            let argument = find(&placeholder.argument);
            // Each once: `format_args!` wants it so.
            let mut formatted = vec![argument.bound];
            for bound in placeholder.counts().map(|count| find(count).bound) {
                if !formatted.contains(&bound) {
                    formatted.push(bound);
                }
            }
            let mut own = String::new();
            placeholder.write(&mut own, 0, &|count| place(&formatted, find(count).bound));
            let key = (own, formatted);
            let known = stored.iter().position(|(bound, known, _)| *bound == argument.bound && *known == key);
            places.push(known.unwrap_or_else(|| {
                let (shown, span) = (argument.shown.clone(), source.span());
                stored.push((argument.bound, key.clone(), placeholder.pointer));
                arguments.store(shown, argument.bound, &key.0, key.1, span, placeholder.pointer)
            }));
        }
        for count in format.placeholders().flat_map(|placeholder| placeholder.counts()) {
            let count = find(count);
            if stored.iter().all(|(bound, _, pointer)| *bound != count.bound || *pointer) {
                stored.push((count.bound, Default::default(), false));
                arguments.store(count.shown.clone(), count.bound, "{}", vec![count.bound], source.span(), false);
            }
        }
        arguments.store_fields(&self.fields, &fields);

        if arguments.are_too_many() {
            return self.expand_too_many(&source, &format, &arguments, &fields, |reference| find(reference).bound);
        }

        // Where the source string, read over what is stored, means the same, it is the template.
        let count_place = |count: &Reference| {
            let bound = find(count).bound;
            let found = stored.iter().position(|(stored, _, pointer)| *stored == bound && !pointer);
            found.expect("all counts are stored")
        };
        let names = arguments.names();
        let read = |reference: &Reference| match reference {
            Reference::Position(position) => Some(*position),
            Reference::Name(name) => names.iter().position(|stored| stored == name),
        };
        let same = format.placeholders().zip(&places).all(|(placeholder, place)| {
            read(&placeholder.argument) == Some(*place)
                && placeholder.counts().all(|count| read(count) == Some(count_place(count)))
        });
        let template = if same {
            String::new()
        } else {
            let mut places = places.iter();
            format.renumbered(|_| *places.next().expect("one for each placeholder"), count_place)
        };

        let with_args = if arguments.is_empty() {
            TokenStream::new()
        } else {
            let names = arguments.names_tokens();
            quote!(.with_args(#names, #template))
        };
        let record = if arguments.is_empty() {
            quote!(#private::log(on))
        } else {
            let (tuple, traits) = (arguments.tuple(&private), Arguments::traits(&private));
            arguments.evaluate(quote! {{
                #traits
                #private::log_args(on, #tuple)
            }})
        };
        self.expand_site(&source.to_token_stream(), &with_args, &record)
    }

    /// More arguments than an event holds: all of them become text, the fields behind the message.
    fn expand_too_many(
        &self,
        source: &LitStr,
        format: &Format,
        arguments: &Arguments,
        fields: &[usize],
        bound: impl Fn(&Reference) -> usize,
    ) -> TokenStream {
        let private = self.private();
        // In the order of their numbers, each once: `format_args!` wants every argument used.
        let mut used: Vec<usize> = format
            .placeholders()
            .flat_map(|placeholder| std::iter::once(&placeholder.argument).chain(placeholder.counts()).map(&bound))
            .chain(fields.iter().copied())
            .collect();
        used.sort_unstable();
        used.dedup();
        let mut text = format
            .renumbered(|placeholder| place(&used, bound(&placeholder.argument)), |count| place(&used, bound(count)));
        for (field, bound) in self.fields.iter().zip(fields) {
            text.push_str(&field_text(field, place(&used, *bound), text.is_empty()));
        }
        let text = literal(&text, source.span());
        let variables = used.iter().map(|&used| {
            let variable = arguments.variable(used);
            // As in `Arguments::tuple`.
            let is_address = |placeholder: &Placeholder| placeholder.pointer && bound(&placeholder.argument) == used;
            if format.placeholders().any(is_address) { quote!(*#variable) } else { quote!(#variable) }
        });
        let record =
            arguments.evaluate(quote!(#private::log_formatted(on, ::core::format_args!(#text #(, #variables)*))));
        self.expand_site(&source.to_token_stream(), &TokenStream::new(), &record)
    }

    /// A format string that is no literal: formatted at the call.
    fn expand_formatted(&self, message: &Message) -> TokenStream {
        let private = self.private();
        let (format, written) = (&message.format, &message.written);
        let record = if self.fields.is_empty() {
            quote! {
                // A line without arguments stores no text: its call site has it.
                const __FRAMELAKE_PLAIN: bool = #private::is_plain(#format);
                if __FRAMELAKE_PLAIN {
                    #private::log(on)
                } else {
                    #private::log_formatted(on, ::core::format_args!(#format #written))
                }
            }
        } else {
            let mut text = String::from("{0}");
            for (index, field) in self.fields.iter().enumerate() {
                text.push_str(&field_text(field, index + 1, false));
            }
            let values = self.fields.iter().map(|field| &field.value);
            quote! {
                #private::log_formatted(
                    on,
                    ::core::format_args!(#text, ::core::format_args!(#format #written) #(, #values)*),
                )
            }
        };
        self.expand_site(&format.to_token_stream(), &TokenStream::new(), &record)
    }

    fn expand_site(&self, name: &TokenStream, with_args: &TokenStream, record: &TokenStream) -> TokenStream {
        let private = self.private();
        let (framelake, level, target) = (&self.framelake, &self.level, &self.target);
        quote! {{
            const __FRAMELAKE_LEVEL: #framelake::Level = #level;
            static __FRAMELAKE_SITE: #private::CallSite =
                #private::CallSite::log(__FRAMELAKE_LEVEL, #name, #target, ::core::file!(), ::core::line!())#with_args;
            if let ::core::option::Option::Some(on) = #private::log_on(__FRAMELAKE_LEVEL, &__FRAMELAKE_SITE) {
                #record
            }
        }}
    }

    fn private(&self) -> TokenStream {
        let framelake = &self.framelake;
        quote!(#framelake::__private)
    }
}

impl Message {
    /// Whether the format string uses all arguments, and only those there are.
    fn fits(&self, format: &Format) -> bool {
        let mut used = vec![false; self.arguments.len()];
        for reference in format
            .placeholders()
            .flat_map(|placeholder| std::iter::once(&placeholder.argument).chain(placeholder.counts()))
        {
            let position = match reference {
                Reference::Position(position) if *position >= self.arguments.len() => return false,
                Reference::Position(position) => Some(*position),
                Reference::Name(name) if name == "_" => return false,
                Reference::Name(name) => {
                    let named = |argument: &Argument| argument.name.as_ref().is_some_and(|known| known.unraw() == name);
                    self.arguments.iter().position(named)
                }
            };
            if let Some(position) = position {
                used[position] = true;
            }
        }
        let names: Vec<_> = self.arguments.iter().filter_map(|argument| argument.name.as_ref()).collect();
        let distinct = names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
        let named_last = self.arguments.iter().skip_while(|argument| argument.name.is_none());
        used.into_iter().all(|used| used) && distinct && named_last.into_iter().all(|argument| argument.name.is_some())
    }
}

/// An argument that placeholders can refer to.
struct Known {
    /// By which placeholders find it.
    name: Option<String>,
    /// Under which it is stored.
    shown: Option<String>,
    bound: usize,
}

impl Reference {
    fn name(&self) -> Option<&str> {
        match self {
            Reference::Name(name) => Some(name),
            Reference::Position(_) => None,
        }
    }
}

fn place(of: &[usize], bound: usize) -> usize {
    of.iter().position(|known| *known == bound).expect("it is among them")
}

fn field_text(field: &Field, position: usize, is_first: bool) -> String {
    let space = if is_first { "" } else { " " };
    let name = field.name.replace('{', "{{").replace('}', "}}");
    let how = if field.how == How::Debug { ":?" } else { "" };
    format!("{space}{name}={{{position}{how}}}")
}

/// The variable that a placeholder names.
fn variable(name: &str, span: proc_macro2::Span) -> Ident {
    if syn::parse_str::<Ident>(name).is_ok() || matches!(name, "self" | "Self" | "super" | "crate") {
        Ident::new(name, span)
    } else {
        Ident::new_raw(name, span)
    }
}

/// The string literal that an expression is, also behind a macro's `$format:expr`.
fn literal_of(expression: &Expr) -> Option<LitStr> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Str(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Group(group) => literal_of(&group.expr),
        _ => None,
    }
}
