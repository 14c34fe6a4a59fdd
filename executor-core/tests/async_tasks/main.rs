//! Tasks that are futures: their cell under hand-written pollers, and under workers that drive them
//! themselves.

mod chunks;
mod claim;
mod context;
mod driven;
mod drops;
mod foreign;
mod stop;
mod submit_async;
mod support;
