//! A decoder of commands for tests, and a writer of their replies: it reads bytes by the rules of WIRE.md, section 1, and a list of what there is
//! (`generated/schema.tsv`). It shares nothing with the encoders but that list.

mod output;
mod piece;
mod reply;
mod request;
mod schema;

pub use reply::Answer;
pub use request::Decoded;
pub use schema::Schema;
