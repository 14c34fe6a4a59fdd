//! What `#[task]` adds beside the function.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{LitStr, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    function::{Argument, Function},
    future,
    options::Options,
    types::{Bytes, Taken},
};

/// The struct, its `task` function, its traits, and its registration.
pub(crate) fn expand(options: &Options, function: &Function) -> TokenStream {
    let krate = &options.krate;
    let name = &function.name;
    let conditions = &function.conditions;
    let lints = lints();

    let the_struct = the_struct(options, function);
    let constructor = constructor(function);
    let task = task(options, function);
    let future = function.is_async.then(|| future::of_call(function));
    let portable_task = portable_task(options, function);
    quote! {
        #the_struct

        #(#conditions)*
        #lints
        const _: () = {
            #constructor
            #future
            #task
            #portable_task
            #krate::register!(#name);
        };
    }
}

/// The function's lints are the author's business; the copy of its names here must not repeat them.
fn lints() -> TokenStream {
    quote! {
        #[allow(
            dead_code, deprecated, missing_debug_implementations, non_camel_case_types,
            non_snake_case, unnameable_types, unreachable_pub, clippy::all, clippy::nursery,
            clippy::pedantic
        )]
    }
}

fn the_struct(options: &Options, function: &Function) -> TokenStream {
    let Options { krate, derives, .. } = options;
    let Function {
        name,
        visibility,
        conditions,
        deprecation,
        ..
    } = function;
    let lints = lints();
    let serde = options.path_text("private::serde");
    let doc = format!(
        "A call of [`{0}`](fn@{0}) as a value: a task.",
        name.unraw()
    );
    let fields = function
        .arguments
        .iter()
        .map(|argument| field(options, function, argument));
    quote! {
        #[doc = #doc]
        #(#conditions)*
        #deprecation
        #lints
        #[derive(
            #krate::private::serde::Serialize,
            #krate::private::serde::Deserialize,
            #(#derives,)*
        )]
        #[serde(crate = #serde)]
        #visibility struct #name {
            #(#fields,)*
        }
    }
}

fn field(options: &Options, function: &Function, argument: &Argument) -> TokenStream {
    let Argument { name, stored, .. } = argument;
    let visibility = &function.visibility;
    let doc = format!("The argument `{}`.", name.unraw());
    let ty = &stored.ty;
    let encoding = stored.is_bytes.then(|| {
        let bytes = options.path_text("codec::bytes");
        quote!(#[serde(with = #bytes)])
    });
    quote_spanned!(argument.written.span()=> #[doc = #doc] #encoding #visibility #name: #ty)
}

fn constructor(function: &Function) -> TokenStream {
    let Function {
        name,
        visibility,
        deprecation,
        ..
    } = function;
    let doc = format!("The call `{}(..)`, to be run later.", name.unraw());
    let arguments = function
        .arguments
        .iter()
        .map(|Argument { name, stored, .. }| {
            let ty = &stored.ty;
            match stored.taken {
                Taken::Exactly => quote!(#name: #ty),
                Taken::Into => quote!(#name: impl ::core::convert::Into<#ty>),
            }
        });
    let fields = function
        .arguments
        .iter()
        .map(|Argument { name, stored, .. }| match stored.taken {
            Taken::Exactly => quote!(#name),
            Taken::Into => quote!(#name: ::core::convert::Into::into(#name)),
        });
    quote! {
        impl #name {
            #[doc = #doc]
            #deprecation
            #[must_use]
            #visibility fn task(#(#arguments),*) -> Self {
                Self { #(#fields),* }
            }
        }
    }
}

fn task(options: &Options, function: &Function) -> TokenStream {
    let krate = &options.krate;
    let Function { name, output, .. } = function;
    let run = if function.is_async {
        future::run(options, function)
    } else {
        call(function, &quote!(self))
    };
    quote! {
        impl #krate::Task for #name {
            type Output = #output;

            fn run(self) -> Self::Output {
                #run
            }
        }
    }
}

/// The call of the function with what `task` has for it.
pub(crate) fn call(function: &Function, task: &TokenStream) -> TokenStream {
    let name = &function.name;
    // Fields, not variables: an argument may have the name of the function.
    let arguments = function
        .arguments
        .iter()
        .map(|Argument { name, stored, .. }| {
            if stored.is_borrowed {
                quote!(&#task.#name)
            } else {
                quote!(#task.#name)
            }
        });
    quote!(#name(#(#arguments),*))
}

fn portable_task(options: &Options, function: &Function) -> TokenStream {
    let krate = &options.krate;
    let name = &function.name;
    let full_name = options.name.as_ref().map_or_else(
        || {
            let tail = LitStr::new(&format!("::{}", name.unraw()), Span::call_site());
            quote!(::core::concat!(::core::module_path!(), #tail))
        },
        |name| quote!(#name),
    );
    let signature = function.signature();
    let stored = function
        .arguments
        .iter()
        .map(|argument| &argument.stored.ty);
    let arguments = codec(options, stored);
    let output = codec(options, [&function.output]);
    let Coding { encode, decode } = Coding::of_output(options, function);
    // The bytes are the output, and nothing needs to be decoded of them.
    let decode_encoded = matches!(function.output_bytes, Some(Bytes::Plain)).then(|| {
        quote! {
            fn decode_encoded(
                output: #krate::codec::Encoded,
            ) -> ::core::result::Result<Self::Output, #krate::codec::CodecError> {
                output.into_byte_string(Self::OUTPUT)
            }
        }
    });
    let cells = function.is_async.then(|| future::cells(options, function));
    quote! {
        impl #krate::PortableTask for #name {
            const NAME: &'static str = #full_name;
            const SIGNATURE: &'static str = #signature;
            const ARGUMENTS: #krate::codec::Codec = #arguments;
            const OUTPUT: #krate::codec::Codec = #output;

            fn encode_output(
                output: &Self::Output,
                buffer: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), #krate::codec::CodecError> {
                #encode
            }

            fn decode_output(
                bytes: &[u8],
            ) -> ::core::result::Result<Self::Output, #krate::codec::CodecError> {
                #decode
            }

            #decode_encoded

            fn into_state(
                output: Self::Output,
            ) -> ::core::result::Result<
                ::std::boxed::Box<dyn ::core::any::Any>,
                #krate::TaskError,
            > {
                #[allow(unused_imports)]
                use #krate::private::AnyState as _;

                #krate::private::State(output).into_state()
            }

            #cells
        }
    }
}

/// The codec of values of these types. Only the compiler knows what a type is, so it is asked.
fn codec<'a>(options: &Options, types: impl IntoIterator<Item = &'a TokenStream>) -> TokenStream {
    let krate = &options.krate;
    if let Some(codec) = &options.codec {
        return quote!(#krate::codec::Codec::#codec);
    }
    let types = types.into_iter();
    quote! {{
        #[allow(unused_imports)]
        use #krate::private::NotPlain as _;

        #krate::codec::Codec::of_plain(true #(&& #krate::private::Probe::<#types>::PLAIN)*)
    }}
}

/// The bodies of `encode_output` and `decode_output`.
struct Coding {
    encode: TokenStream,
    decode: TokenStream,
}

impl Coding {
    fn of_output(options: &Options, function: &Function) -> Self {
        let krate = &options.krate;
        let Some(bytes) = function.output_bytes else {
            // The output's span, so that an output without serde's traits is what the error shows.
            let span = function.output.span();
            let codec = quote_spanned!(span=> #krate::codec);
            return Self {
                encode: quote_spanned! {span=>
                    Self::OUTPUT.encode(#codec::Part::Output, output, buffer)
                },
                decode: quote_spanned!(span=> Self::OUTPUT.decode(#codec::Part::Output, bytes)),
            };
        };
        // `serde(with)` works on fields only.
        let serde = options.path_text("private::serde");
        let with = options.path_text("codec::bytes");
        let (sent, received) = (format_ident!("Sent"), format_ident!("Received"));
        let (value, target, result) = match bytes {
            Bytes::Plain => (quote!(#sent(output)), quote!(#received), quote!(received.0)),
            Bytes::Optional => (
                quote!(output.as_deref().map(#sent)),
                quote!(::core::option::Option<#received>),
                quote!(received.map(|bytes| bytes.0)),
            ),
            Bytes::Fallible => (
                quote!(output.as_deref().map(#sent)),
                quote!(::core::result::Result<#received, _>),
                quote!(received.map(|bytes| bytes.0)),
            ),
        };
        Self {
            encode: quote! {
                #[derive(#krate::private::serde::Serialize)]
                #[serde(crate = #serde, transparent)]
                struct #sent<'a>(#[serde(with = #with)] &'a [u8]);

                Self::OUTPUT.encode(#krate::codec::Part::Output, &#value, buffer)
            },
            decode: quote! {
                #[derive(#krate::private::serde::Deserialize)]
                #[serde(crate = #serde, transparent)]
                struct #received(#[serde(with = #with)] ::std::vec::Vec<u8>);

                Self::OUTPUT
                    .decode::<#target>(#krate::codec::Part::Output, bytes)
                    .map(|received| #result)
            },
        }
    }
}
