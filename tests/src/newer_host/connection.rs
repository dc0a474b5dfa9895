//! One client of the socket (WIRE.md 9): the context, its memory, its rings.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use hesper_decoder::Decoded;

use super::capabilities::Capabilities;
use super::context::Context;
use super::interpreter::Interpreter;
use super::journal::Journal;
use super::ring::Ring;
use crate::test_server::message::{self, Message, write_file};

/// The version of the socket's protocol: the newest.
const VERSION: u32 = 4;
/// The version of VK_MESA_venus_protocol that all of it is known from (WIRE.md 8.4).
const VENUS: u32 = 4;

/// Serves a client until it goes, or sends what no host could run.
pub fn serve(mut client: UnixStream, capabilities: &Arc<Capabilities>, journal: &Arc<Journal>) {
    let context = Arc::new(Context::new(capabilities.clone(), journal.clone()));
    let mut rings = HashMap::new();
    let mut own = Interpreter::new(context.clone());
    while let Ok(Some(request)) = Message::read(&mut client) {
        if request.id == message::SUBMIT {
            let (at, size) = (request.word(1 + 1) as usize * 4, request.word(1 + 2) as usize * 4);
            let commands = request.body.get(at..at + size).unwrap_or_default();
            if let Err(why) = own.run(commands, &mut |c| transport(&context, &mut rings, c)) {
                context.complain(why);
                return;
            }
        } else if let Err(e) = answer(&mut client, &request, &context, capabilities) {
            context.complain(format!("message {}: {e}", request.id));
            return;
        }
    }
}

/// Answers a message.
fn answer(client: &mut UnixStream, request: &Message, context: &Context, host: &Capabilities) -> io::Result<()> {
    let mut reply = |words: &[u32]| Message::of_words(request.id, words).write(client);
    match request.id {
        message::PING => reply(&[]),
        message::BUSY_WAIT => reply(&[0]),
        message::PROTOCOL_VERSION => reply(&[request.word(0).min(VERSION)]),
        message::GET_CAPSET => reply(&capset(host)),
        message::CREATE_BLOB => {
            let size = u64::from(request.word(2)) | u64::from(request.word(3)) << 32;
            let (resource, file) = context.create_memory(size)?;
            reply(&[resource])?;
            write_file(client, Some(&file))
        }
        message::EXPORT => {
            let file = context.file(request.word(0)).ok_or(io::ErrorKind::NotFound)?;
            reply(&[])?;
            write_file(client, Some(&file))
        }
        message::UNREF => {
            context.forget_memory(request.word(0));
            Ok(())
        }
        message::CREATE_RENDERER | message::CONTEXT_INIT => Ok(()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Whether it is valid, and the capset (WIRE.md 8.4).
fn capset(host: &Capabilities) -> Vec<u32> {
    let mut words = vec![1, 1, host.vk_xml_version, 1, VENUS, 1];
    words.extend(host.mask);
    // Waits in rings, timelines; no device memory from the guest's own heap.
    words.extend([1, 1, 0]);
    words
}

/// The commands of the transport that only the context takes; whether this is one.
fn transport(context: &Arc<Context>, rings: &mut HashMap<u64, Ring>, command: &Decoded) -> Result<bool, String> {
    let number = || command.get("ring");
    match command.name {
        "vkCreateRingMESA" => drop(rings.insert(number(), Ring::start(context, number(), command)?)),
        "vkDestroyRingMESA" => drop(rings.remove(&number())),
        "vkSubmitVirtqueueSeqnoMESA" => context.come_to(number(), command.get("seqno")),
        "vkWaitRingSeqnoMESA" => {
            let ring = rings.get(&number()).ok_or_else(|| format!("no ring {}", number()))?;
            ring.wait(command.get("seqno") as u32);
        }
        // The threads of rings never sleep for long.
        "vkNotifyRingMESA" => {}
        _ => return Ok(false),
    }
    Ok(true)
}
