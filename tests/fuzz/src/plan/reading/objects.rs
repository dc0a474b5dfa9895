//! Which objects a command uses.

use crate::command::{Bind, Command, Id, ImageCommand};

/// The kinds and slots.
pub fn objects(command: &Command) -> Vec<(&'static str, Id)> {
    match command {
        Command::Copy { from, to, .. } => vec![("buffer", *from), ("buffer", *to)],
        Command::Update { to, .. } | Command::Fill { to, .. } => vec![("buffer", *to)],
        Command::BindAndDispatch { pipeline, bind, .. } => {
            let bound = match bind {
                Bind::Set(set) => vec![("set", *set)],
                Bind::Push(from, to, _) => vec![("buffer", from.buffer), ("buffer", to.buffer)],
            };
            [vec![("pipeline", *pipeline)], bound].concat()
        }
        Command::SetEvent { event, .. } | Command::ResetEvent { event } => vec![("event", *event)],
        Command::BeginQuery { pool, .. } | Command::Timestamp { pool, .. } | Command::ResetQueries { pool, .. } => {
            vec![("queries", *pool)]
        }
        Command::CopyResults { pool, to, .. } => vec![("queries", *pool), ("buffer", *to)],
        Command::Draws { image, .. } => vec![("image", *image)],
        Command::Image(command) => {
            let buffer = match command {
                ImageCommand::ToBuffer { to: buffer, .. } | ImageCommand::FromBuffer { from: buffer, .. } => {
                    Some(("buffer", *buffer))
                }
                _ => None,
            };
            command.images().into_iter().map(|(image, _)| ("image", image)).chain(buffer).collect()
        }
        Command::Pass(pass) => {
            let captures = pass.captures().map(|(buffer, _)| ("buffer", buffer));
            pass.attachments().map(|t| ("image", t.image)).chain(captures).collect()
        }
        _ => Vec::new(),
    }
}
