//! Replies, as a host writes them (WIRE.md 2.2).

use crate::piece::Piece;
use crate::request::Decoded;

/// What a host answers at a path.
#[derive(Clone, Debug)]
pub enum Answer {
    Number(u64),
    /// In an array of bytes.
    Text(String),
}

impl Decoded {
    /// The reply: `returned`, if the command returns something, and what `answer` says of each path; 0 where it says nothing.
    pub fn reply(&self, returned: u64, answer: &dyn Fn(&str) -> Option<Answer>) -> Vec<u8> {
        let mut out = self.number.to_le_bytes().to_vec();
        match self.returned {
            "" => {}
            "scalar8" => out.extend(returned.to_le_bytes()),
            _ => out.extend((returned as u32).to_le_bytes()),
        }
        for piece in &self.reply {
            match piece {
                Piece::Told(bytes) => out.extend(bytes),
                Piece::Asked { path, size, count: None, default } => {
                    let bytes = number(answer(path)).unwrap_or(*default).to_le_bytes();
                    out.extend(&bytes[..(*size).max(4)]);
                }
                Piece::Asked { path, size, count: Some(n), .. } => match answer(path) {
                    Some(Answer::Text(text)) => {
                        let mut bytes = text.into_bytes();
                        bytes.resize(n * size, 0);
                        out.extend(padded(bytes));
                    }
                    _ => {
                        let element = |i| number(answer(&format!("{path}[{i}]"))).unwrap_or(0).to_le_bytes();
                        out.extend(padded((0..*n).flat_map(|i| element(i)[..*size].to_vec()).collect()));
                    }
                },
            }
        }
        out
    }
}

fn number(answer: Option<Answer>) -> Option<u64> {
    match answer {
        Some(Answer::Number(n)) => Some(n),
        _ => None,
    }
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
