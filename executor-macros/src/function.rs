//! The function under `#[task]`: what it is allowed to be, and what of it matters.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, Error, FnArg, Ident, Item, ItemFn, Pat, Receiver, Result, ReturnType, Safety,
    Signature, Type, Visibility,
};

use crate::{
    text,
    types::{self, Bytes, Stored},
};

/// A function that can be a task.
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: TokenStream,
    pub(crate) output_bytes: Option<Bytes>,
    /// Whether it is an `async fn`.
    pub(crate) is_async: bool,
    /// Those that the generated items share with it: `cfg`.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) deprecation: Option<Attribute>,
}

/// One argument, which is one field of the task.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) written: Type,
    pub(crate) stored: Stored,
}

impl Function {
    /// Reads the item that `#[task]` stands on.
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        match syn::parse2::<ItemFn>(item.clone()) {
            Ok(function) => Self::new(&function),
            // Something else that parses is a better reason than the first token that misfits.
            Err(error) => Err(syn::parse2::<Item>(item).map_or(error, |item| {
                let message = "`#[task]` makes a function a task: put it on a `fn` with a body";
                Error::new_spanned(item, message)
            })),
        }
    }

    /// The names and types of the arguments, and the type of the output, as text. The names belong
    /// to it because the encoded form has them.
    pub(crate) fn signature(&self) -> String {
        let arguments: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| {
                let ty = text::of(argument.written.to_token_stream());
                format!("{}: {ty}", argument.name)
            })
            .collect();
        format!(
            "({}) -> {}",
            arguments.join(", "),
            text::of(self.output.clone())
        )
    }

    fn new(function: &ItemFn) -> Result<Self> {
        let signature = &function.sig;
        let mut problems = Problems::default();
        check_qualifiers(signature, &mut problems);
        check_generics(signature, &mut problems);
        // Types that use the generics would be reported a second time.
        problems.take()?;

        let mut arguments = Vec::new();
        for input in &signature.inputs {
            match argument(input) {
                Ok(argument) => arguments.push(argument),
                Err(error) => problems.add(error),
            }
        }
        let (output, output_bytes) = match &signature.output {
            ReturnType::Default => (quote!(()), None),
            ReturnType::Type(_, ty) => {
                if let Err(error) = types::check_owned(ty, "output") {
                    problems.add(error);
                }
                (ty.to_token_stream(), types::output_bytes(ty))
            }
        };
        problems.take()?;

        let attributes = |name: &'static str| {
            function
                .attrs
                .iter()
                .filter(move |attribute| attribute.path().is_ident(name))
                .cloned()
        };
        Ok(Self {
            name: signature.ident.clone(),
            visibility: function.vis.clone(),
            arguments,
            output,
            output_bytes,
            is_async: signature.asyncness.is_some(),
            conditions: attributes("cfg").collect(),
            deprecation: attributes("deprecated").next(),
        })
    }
}

/// All that is wrong with a function, so that one build shows it.
#[derive(Default)]
struct Problems(Option<Error>);

impl Problems {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    fn report(&mut self, tokens: impl ToTokens, message: &str) {
        self.add(Error::new_spanned(tokens, message));
    }

    fn take(&mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), Err)
    }
}

fn check_qualifiers(signature: &Signature, problems: &mut Problems) {
    if let Safety::Unsafe(unsafety) = &signature.safety {
        problems.report(
            unsafety,
            "a task is called by executors, which cannot uphold what an `unsafe fn` asks for: \
             write a safe `fn` that checks it and calls this one",
        );
    }
    if let Some(abi) = &signature.abi {
        problems.report(
            abi,
            "a task has Rust's own calling convention: write a plain `fn` that calls this one",
        );
    }
    if let Some(variadic) = &signature.variadic {
        problems.report(
            variadic,
            "a task has a fixed number of arguments: take a `Vec`",
        );
    }
}

fn check_generics(signature: &Signature, problems: &mut Problems) {
    let generics = &signature.generics;
    if generics.lifetimes().next().is_some() {
        problems.report(
            generics,
            "a task borrows its arguments from itself, while it runs: leave the lifetimes out, as \
             in `text: &str`, and return an owned value",
        );
    } else if !generics.params.is_empty() {
        problems.report(
            generics,
            "a task is known to other processes by its name alone, so it cannot be generic: write \
             a `#[task] fn` for each concrete type, and let them call this one",
        );
    } else if let Some(clause) = &generics.where_clause {
        problems.report(
            clause,
            "a task is not generic: leave the `where` clause out",
        );
    }
}

fn argument(input: &FnArg) -> Result<Argument> {
    let typed = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => return Err(receiver_error(receiver)),
    };
    if let Some(attribute) = typed.attrs.first() {
        let message = "an argument of a task cannot have attributes: put them on the function";
        return Err(Error::new_spanned(attribute, message));
    }
    let name = match &*typed.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
        pattern => {
            let message = "an argument of a task needs a name, because it becomes a field: write \
                           `name: Type`, and take it apart inside with `let`";
            return Err(Error::new_spanned(pattern, message));
        }
    };
    let stored = types::stored(&typed.ty)?;
    Ok(Argument {
        name,
        written: (*typed.ty).clone(),
        stored,
    })
}

fn receiver_error(receiver: &Receiver) -> Error {
    let message = "a task is a function on its own: move it out of the `impl`, and take the value \
                   as an argument, as in `shape: Shape` or `shape: &Shape`";
    Error::new_spanned(receiver, message)
}
