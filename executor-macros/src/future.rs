//! What an `async fn` has where a plain one is called: a future, and who drives it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::{expand, function::Function, options::Options};

/// A function that makes the future of a call. It stands on its own so that the future has one type,
/// and so that what is not `Send` is reported once, where the author's function has its name.
pub(crate) fn of_call(function: &Function) -> TokenStream {
    let Function { name, output, .. } = function;
    let start = start(function);
    let task = variable("task");
    let call = expand::call(function, &quote!(#task));
    let future = quote_spanned! {name.span()=>
        impl ::core::future::Future<Output = #output> + ::core::marker::Send + 'static
    };
    quote! {
        fn #start(#task: #name) -> #future {
            // The future of the call may borrow from the task.
            async move { #call.await }
        }
    }
}

/// The body of `Task::run`.
pub(crate) fn run(options: &Options, function: &Function) -> TokenStream {
    let start = start(function);
    let block_on = block_on(options);
    quote!(#block_on(#start(self)))
}

/// The methods of `PortableTask` that say that the task is a future.
pub(crate) fn cells(options: &Options, function: &Function) -> TokenStream {
    let krate = &options.krate;
    let start = start(function);
    let block_on = block_on(options);
    quote! {
        fn into_cell(self, maker: #krate::private::Maker) -> #krate::private::NewCell<Self> {
            maker.of_future(self, #start, |future| #block_on(future))
        }

        fn chunk_into_cell(
            chunk: #krate::private::ChunkOf<Self>,
            maker: #krate::private::Maker,
        ) -> #krate::private::NewChunkCell<Self> {
            maker.chunk_of_futures(chunk, #start, |future| #block_on(future))
        }
    }
}

/// The name of what [`of_call`] writes: another than the function's, which it calls.
fn start(function: &Function) -> Ident {
    format_ident!("__future_of_{}", function.name, span = Span::call_site())
}

/// What drives the future on a worker that has no runtime.
fn block_on(options: &Options) -> TokenStream {
    let krate = &options.krate;
    match &options.runtime {
        None => quote!(#krate::block_on),
        Some(runtime) => quote!(#krate::#runtime::block_on),
    }
}

/// A variable that hides nothing of the author's: the function may be called like it.
fn variable(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
