//! What stands between the brackets:
//! `#[task(name = "..", derive(..), codec = "..", runtime = "..", crate = "..")]`.

use proc_macro2::Span;
use quote::quote;
use syn::{
    Error, Ident, LitStr, Path, Result, Token,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

use crate::text;

/// The options of one `#[task]`, each at most once.
pub(crate) struct Options {
    /// The pinned name.
    pub(crate) name: Option<LitStr>,
    /// What the struct derives beside serde's traits.
    pub(crate) derives: Vec<Path>,
    /// How arguments and output are encoded, if not as their types allow.
    pub(crate) codec: Option<Ident>,
    /// The library's module that drives an `async fn` where no runtime does, if it is to be another
    /// than the crate itself.
    pub(crate) runtime: Option<Ident>,
    /// Where the library is.
    pub(crate) krate: Path,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut seen = Vec::new();
        let mut options = Self {
            name: None,
            derives: Vec::new(),
            codec: None,
            runtime: None,
            krate: parse_quote!(::concurrent_futures),
        };
        while !input.is_empty() {
            // Any identifier, because `crate` is a keyword.
            let option = input.call(Ident::parse_any)?;
            if seen.contains(&option) {
                let message = format!("the option `{option}` is given twice: leave one out");
                return Err(Error::new(option.span(), message));
            }
            match option.to_string().as_str() {
                "name" => options.name = Some(name(&option, input)?),
                "derive" => options.derives = derives(&option, input)?,
                "codec" => options.codec = Some(codec(&option, input)?),
                "runtime" => options.runtime = Some(runtime(&option, input)?),
                "crate" => options.krate = krate(&option, input)?,
                _ => return Err(unknown(&option)),
            }
            seen.push(option);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Refuses what is not for a function of this kind.
    pub(crate) fn check(&self, is_async: bool) -> Result<()> {
        match &self.runtime {
            Some(runtime) if !is_async => {
                let message = "a plain `fn` needs no runtime: leave `runtime` out, or write an \
                               `async fn`";
                Err(Error::new(runtime.span(), message))
            }
            _ => Ok(()),
        }
    }

    /// The path of an item of the library as serde's attributes want it: in a string.
    pub(crate) fn path_text(&self, item: &str) -> LitStr {
        let krate = &self.krate;
        LitStr::new(
            &format!("{}::{item}", text::of(quote!(#krate))),
            Span::call_site(),
        )
    }
}

fn name(option: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    let name = string(option, input, "acme.square.v2")?;
    let value = name.value();
    if value.is_empty() {
        let message = "the name of a task cannot be empty: write one, or leave `name` out to use \
                       the module path and the function's name";
        return Err(Error::new(name.span(), message));
    }
    if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let message = format!(
            "the name {value:?} has a space or a control character: it stands in logs and error \
             messages, so write one word, like `acme.square.v2`"
        );
        return Err(Error::new(name.span(), message));
    }
    Ok(name)
}

fn derives(option: &Ident, input: ParseStream<'_>) -> Result<Vec<Path>> {
    if !input.peek(syn::token::Paren) {
        let message = "`derive` needs a list: write `derive(Clone, Debug)`";
        return Err(Error::new(option.span(), message));
    }
    let list;
    parenthesized!(list in input);
    let paths = Punctuated::<Path, Token![,]>::parse_terminated_with(&list, Path::parse_mod_style)?;
    for path in &paths {
        let last = path.segments.last().expect("a path has a segment");
        if last.ident == "Serialize" || last.ident == "Deserialize" {
            let message = format!("every task derives `{}`: leave it out", last.ident);
            return Err(Error::new(last.ident.span(), message));
        }
    }
    Ok(paths.into_iter().collect())
}

/// The variant of the library's `Codec`.
fn codec(option: &Ident, input: ParseStream<'_>) -> Result<Ident> {
    let codec = string(option, input, "compact")?;
    match codec.value().as_str() {
        "messagepack" => Ok(Ident::new("MessagePack", codec.span())),
        "compact" => Ok(Ident::new("Compact", codec.span())),
        other => {
            let message = format!(
                "there is no codec {other:?}: write \"messagepack\", which keeps every serde \
                 attribute, or \"compact\", which is faster"
            );
            Err(Error::new(codec.span(), message))
        }
    }
}

/// The module of the library.
fn runtime(option: &Ident, input: ParseStream<'_>) -> Result<Ident> {
    let runtime = string(option, input, "tokio")?;
    match runtime.value().as_str() {
        "tokio" => Ok(Ident::new("tokio", runtime.span())),
        other => {
            let message = format!(
                "there is no runtime {other:?}: write \"tokio\", or leave `runtime` out for a \
                 function that needs none"
            );
            Err(Error::new(runtime.span(), message))
        }
    }
}

fn krate(option: &Ident, input: ParseStream<'_>) -> Result<Path> {
    let path = string(option, input, "concurrent_futures")?;
    path.parse_with(Path::parse_mod_style).map_err(|_| {
        let message = format!(
            "`{}` is not the path of a crate: write one like `concurrent_futures`",
            path.value()
        );
        Error::new(path.span(), message)
    })
}

/// Parses `= "value"`.
fn string(option: &Ident, input: ParseStream<'_>, example: &str) -> Result<LitStr> {
    let is_given = input.parse::<Option<Token![=]>>()?.is_some();
    if is_given && input.peek(LitStr) {
        return input.parse();
    }
    let message = format!("`{option}` needs a string: write `{option} = {example:?}`");
    Err(Error::new(option.span(), message))
}

fn unknown(option: &Ident) -> Error {
    let message = format!(
        "unknown option `{option}`: write `name = \"..\"`, `derive(..)`, `codec = \"..\"`, \
         `runtime = \"..\"` or `crate = \"..\"`"
    );
    Error::new(option.span(), message)
}
