//! A decoder of the context, or of a ring: runs of commands, and where their replies go (WIRE.md 2.3, 4).

use std::sync::Arc;

use hesper_decoder::{Decoded, Schema};

use super::context::Context;
use crate::test_server::memory::Shared;

/// What a decoder does itself with a command; whether it did something.
pub type Own<'a> = &'a mut dyn FnMut(&Decoded) -> Result<bool, String>;

/// Where replies go.
struct Replies {
    memory: Arc<Shared>,
    start: usize,
    position: usize,
}

pub struct Interpreter {
    context: Arc<Context>,
    replies: Option<Replies>,
}

impl Interpreter {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, replies: None }
    }

    /// Takes all commands in some bytes.
    ///
    /// # Errors
    /// What no host could run.
    pub fn run(&mut self, mut bytes: &[u8], own: Own) -> Result<(), String> {
        while !bytes.is_empty() {
            let command = Schema::load().next(bytes)?;
            bytes = &bytes[command.size..];
            match command.name {
                "vkSetReplyCommandStreamMESA" => {
                    let memory = self.context.memory(command.get("pStream.resourceId") as u32)?;
                    let start = command.get("pStream.offset") as usize;
                    self.replies = Some(Replies { memory, start, position: 0 });
                }
                "vkSeekReplyCommandStreamMESA" => {
                    let replies = self.replies.as_mut().ok_or("a place in no reply stream")?;
                    replies.position = command.get("position") as usize;
                }
                "vkExecuteCommandStreamsMESA" => {
                    for i in 0..command.get("pStreams.len") {
                        let member = |m: &str| command.get(&format!("pStreams[{i}].{m}")) as usize;
                        let memory = self.context.memory(member("resourceId") as u32)?;
                        self.run(&memory.read(member("offset"), member("size")), own)?;
                    }
                }
                _ if own(&command)? => {}
                _ => self.take(command)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, command: Decoded) -> Result<(), String> {
        let name = command.name;
        let Some(reply) = self.context.take(command)? else { return Ok(()) };
        let replies =
            self.replies.as_mut().ok_or_else(|| format!("{name} asks for a reply, and there is no place for it"))?;
        replies.memory.write(replies.start + replies.position, &reply);
        replies.position += reply.len();
        Ok(())
    }
}
