//! Macros of the Framelake SDK. Use them through the crate `framelake`: `#[instrument]` is documented there, and what `info!`, `span!` and the others
//! expand to is here.

#![forbid(unsafe_code)]

mod arguments;
mod field;
mod format;
mod input;
mod instrument;
mod log;
mod metric;
mod span;

use proc_macro::TokenStream;
use syn::{Error, ItemFn, parse_macro_input};

/// Records each call of a function as a span, named as the function is: `#[instrument]`, `#[instrument("load")]`,
/// `#[instrument(name = "load", target = "assets", fields(user = id, ?state, %path), args, skip(key))]`.
///
/// The span begins before the arguments are used and ends after everything that the function owns was dropped, the arguments excepted. That of an
/// `async fn`, or of a function that returns an `async move` block or one in `Box::pin` (as `#[async_trait]` makes them), is asynchronous: it begins
/// when the future is first polled, and its parent is the asynchronous span around it. `const` functions cannot be instrumented.
///
/// - `name`, `target`: constants; otherwise the function's name and the module's path.
/// - `fields(…)`: fields as in [`info!`](https://docs.rs/framelake/latest/framelake/macro.info.html), over the parameters.
/// - `args`: records all parameters, numbers and strings as they are and others by their `Debug`; `skip(a, b)` leaves some out, `skip_all` all. Without
///   `args` none is recorded, because each costs.
///
/// ```ignore
/// #[framelake::instrument]
/// fn steer(agent: &mut Agent) { /* … */ }
///
/// #[framelake::instrument(args, skip(self))]
/// async fn load(&self, path: &str, retries: u32) -> Result<Level> { /* … */ }
/// ```
#[proc_macro_attribute]
pub fn instrument(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as instrument::Options);
    let function = parse_macro_input!(item as ItemFn);
    instrument::expand(options, function).unwrap_or_else(Error::into_compile_error).into()
}

/// `[$crate] [level or nothing]` and the arguments of `log!`.
#[doc(hidden)]
#[proc_macro]
pub fn __log(input: TokenStream) -> TokenStream {
    parse_macro_input!(input as log::Log).expand().into()
}

/// `[$crate] [Span or AsyncSpan]` and the arguments of `span_guard!`.
#[doc(hidden)]
#[proc_macro]
pub fn __span(input: TokenStream) -> TokenStream {
    parse_macro_input!(input as span::Span).expand().into()
}

/// `[$crate]` and the arguments of `metric!`, four or more.
#[doc(hidden)]
#[proc_macro]
pub fn __metric(input: TokenStream) -> TokenStream {
    parse_macro_input!(input as metric::Metric).expand().into()
}
