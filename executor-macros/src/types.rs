//! What a type says about itself by how it is written: borrowed or owned, bytes or not.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Error, GenericArgument, PathArguments, Type, TypeReference};

use crate::text;

/// How the task keeps an argument.
pub(crate) struct Stored {
    /// The type of the field.
    pub(crate) ty: TokenStream,
    /// What `task` takes for it.
    pub(crate) taken: Taken,
    /// Whether the function borrows it from the field.
    pub(crate) is_borrowed: bool,
    /// Whether it is encoded as a byte string.
    pub(crate) is_bytes: bool,
}

/// What `task` takes for an argument.
pub(crate) enum Taken {
    /// The field's type itself.
    Exactly,
    /// Whatever makes one: the caller may have it borrowed or owned.
    Into,
}

/// Where an output has bytes in it.
#[derive(Clone, Copy)]
pub(crate) enum Bytes {
    /// `Vec<u8>`
    Plain,
    /// `Option<Vec<u8>>`
    Optional,
    /// `Result<Vec<u8>, E>`
    Fallible,
}

/// How an argument of type `ty` is kept.
pub(crate) fn stored(ty: &Type) -> Result<Stored, Error> {
    let Type::Reference(reference) = bare(ty) else {
        check_owned(ty, "argument")?;
        return Ok(Stored {
            ty: ty.to_token_stream(),
            taken: Taken::Exactly,
            is_borrowed: false,
            is_bytes: is_byte_vec(ty),
        });
    };
    check_reference(reference)?;
    let target = bare(&reference.elem);
    check_owned(target, "argument")?;
    let (ty, taken) = owned(target);
    let is_bytes = is_byte_vec(target)
        || matches!(target, Type::Slice(slice) if last_word(&slice.elem).is_some_and(|w| w == "u8"));
    Ok(Stored {
        ty,
        taken,
        is_borrowed: true,
        is_bytes,
    })
}

/// Where an output of type `ty` has bytes.
pub(crate) fn output_bytes(ty: &Type) -> Option<Bytes> {
    if is_byte_vec(ty) {
        return Some(Bytes::Plain);
    }
    let first = first_argument(ty)?;
    match last_word(ty)?.as_str() {
        "Option" if is_byte_vec(first) => Some(Bytes::Optional),
        "Result" if is_byte_vec(first) => Some(Bytes::Fallible),
        _ => None,
    }
}

/// Refuses a type that borrows, or that has no name: its values cannot be kept or sent.
pub(crate) fn check_owned(ty: &Type, what: &str) -> Result<(), Error> {
    if let Type::Never(never) = bare(ty) {
        let message = "a task gives its result back: return a type that has values, like `()`";
        return Err(Error::new_spanned(never, message));
    }
    if let Type::TraitObject(object) = bare(ty) {
        let message = format!("the {what} is encoded, so its type must be concrete: write one");
        return Err(Error::new_spanned(object, message));
    }
    match obstacle(ty.to_token_stream()) {
        None => Ok(()),
        Some((span, Obstacle::Impl)) => {
            let message = format!(
                "the {what} is encoded, so its type must have a name: write the type instead of \
                 `impl Trait`"
            );
            Err(Error::new(span, message))
        }
        Some((span, Obstacle::Reference)) => {
            let message = format!(
                "the {what} travels between processes, so it cannot borrow: write an owned type, \
                 like `String` or `Vec<T>`"
            );
            Err(Error::new(span, message))
        }
        Some((span, Obstacle::Lifetime)) => {
            let message = format!(
                "the {what} travels between processes, so it cannot borrow: write a type without \
                 lifetimes (`'static` may stay)"
            );
            Err(Error::new(span, message))
        }
    }
}

/// The type without the invisible brackets of `macro_rules`, and without parentheses.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

/// The owned form of what a reference points at.
fn owned(target: &Type) -> (TokenStream, Taken) {
    if let Type::Slice(slice) = target {
        let element = &slice.elem;
        return (quote!(::std::vec::Vec<#element>), Taken::Into);
    }
    match last_word(target).as_deref() {
        Some("str") => (quote!(::std::string::String), Taken::Into),
        // By way of the trait: a `Path` may be another than the standard library's.
        Some("Path" | "OsStr" | "CStr") => (
            quote!(<#target as ::std::borrow::ToOwned>::Owned),
            Taken::Into,
        ),
        _ => (target.to_token_stream(), Taken::Exactly),
    }
}

fn check_reference(reference: &TypeReference) -> Result<(), Error> {
    if let Some(mutability) = &reference.mutability {
        let target = text::of(reference.elem.to_token_stream());
        let target = match bare(&reference.elem) {
            Type::Slice(slice) => format!("Vec<{}>", text::of(slice.elem.to_token_stream())),
            _ => target,
        };
        let message = format!(
            "a task works on its own copy, so nobody would see what it changes: take `{target}` by \
             value and return it"
        );
        return Err(Error::new_spanned(mutability, message));
    }
    match &reference.lifetime {
        Some(lifetime) if lifetime.ident != "_" => {
            let message = format!(
                "a task borrows its arguments from itself, while it runs: write the reference \
                 without `{lifetime}`"
            );
            Err(Error::new_spanned(lifetime, message))
        }
        _ => Ok(()),
    }
}

enum Obstacle {
    Impl,
    Lifetime,
    Reference,
}

/// The first token that no type of a task may have. (Tokens, not the syntax tree: its visitor is one
/// more feature of `syn` that every user would compile.)
fn obstacle(tokens: TokenStream) -> Option<(Span, Obstacle)> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                if let Some(found) = obstacle(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Ident(ident) if ident == "impl" => {
                return Some((ident.span(), Obstacle::Impl));
            }
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                return Some((punct.span(), Obstacle::Reference));
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.peek() {
                Some(TokenTree::Ident(name)) if name == "static" => {}
                Some(TokenTree::Ident(name)) => return Some((name.span(), Obstacle::Lifetime)),
                _ => return Some((punct.span(), Obstacle::Lifetime)),
            },
            _ => {}
        }
    }
    None
}

fn is_byte_vec(ty: &Type) -> bool {
    last_word(ty).is_some_and(|word| word == "Vec")
        && first_argument(ty)
            .and_then(last_word)
            .is_some_and(|word| word == "u8")
}

/// `Vec` of `std::vec::Vec<u8>`.
fn last_word(ty: &Type) -> Option<String> {
    let Type::Path(path) = bare(ty) else {
        return None;
    };
    path.path
        .segments
        .last()
        .map(|segment| segment.ident.to_string())
}

/// `u8` of `std::vec::Vec<u8>`.
fn first_argument(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = bare(ty) else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}
