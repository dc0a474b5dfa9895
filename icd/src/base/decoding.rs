//! What is read of a reply.

use hesper_encoder::Reader;
use hesper_winsys::Error;

/// What `decode` reads of a reply.
///
/// # Errors
/// [`Error::Lost`] where the reply isn't what the command returns: whoever sends that may send anything.
pub fn decoded<R>(reply: &[u8], decode: impl FnOnce(&mut Reader) -> R) -> Result<R, Error> {
    whole(Reader::new(reply).decode(decode))
}

/// The same of what was read already, `None` of a bad reply.
pub fn whole<R>(read: Option<R>) -> Result<R, Error> {
    read.ok_or_else(|| Error::malformed("not what the command returns"))
}
