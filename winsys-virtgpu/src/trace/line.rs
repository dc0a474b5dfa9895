//! An event of a trace as text: a complete event of the Trace Event Format, and the comma behind it.

/// More bytes than an event takes.
const LONGEST: usize = 320;

/// A line of a trace. Built by hand, because the program waits meanwhile: the standard formatting takes ten times as long.
pub struct Line {
    bytes: [u8; LONGEST],
    len: usize,
}

/// An event, with its times in nanoseconds.
pub struct Event<'a> {
    pub process: u32,
    pub thread: u32,
    pub name: &'a str,
    pub start: u64,
    pub duration: u64,
    pub value: u64,
}

impl Line {
    /// The line of an event; its name is cut when it is longer than any of ours, and is ASCII without quotes.
    pub fn new(e: &Event) -> Self {
        let name = e.name.as_bytes();
        let mut line = Self { bytes: [0; LONGEST], len: 0 };
        line.text(br#"{"ph":"X","pid":"#).number(e.process.into());
        line.text(br#","tid":"#).number(e.thread.into());
        line.text(br#","name":""#).text(name.get(..100).unwrap_or(name));
        line.text(br#"","ts":"#).microseconds(e.start);
        line.text(br#","dur":"#).microseconds(e.duration);
        line.text(br#","args":{"value":"#).number(e.value).text(b"}},\n");
        line
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        let end = self.len + text.len();
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(text);
            self.len = end;
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = [b'0'; 20];
        let (mut left, mut used) = (number, 0);
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
            used += 1;
            if left == 0 {
                break;
            }
        }
        self.text(digits.get(20 - used..).unwrap_or_default())
    }

    fn microseconds(&mut self, nanoseconds: u64) -> &mut Self {
        let rest = nanoseconds % 1000;
        let digit = |by: u64| b'0' + (rest / by % 10) as u8;
        self.number(nanoseconds / 1000).text(&[b'.', digit(100), digit(10), digit(1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        let e = Event { process: 7, thread: 0, name: "vkX", start: 1_234_567_890, duration: 45, value: u64::MAX };
        assert_eq!(
            std::str::from_utf8(Line::new(&e).bytes()).unwrap(),
            "{\"ph\":\"X\",\"pid\":7,\"tid\":0,\"name\":\"vkX\",\"ts\":1234567.890,\"dur\":0.045,\"args\":{\"value\":18446744073709551615}},\n"
        );
    }

    #[test]
    fn the_longest_line_is_whole() {
        let name = "n".repeat(500);
        let (most, whole) = (u64::MAX, u32::MAX);
        let e = Event { process: whole, thread: whole, name: &name, start: most, duration: most, value: most };
        let line = Line::new(&e);
        let text = std::str::from_utf8(line.bytes()).unwrap();
        assert!(text.ends_with("}},\n") && text.matches('n').count() > 100 && text.len() < LONGEST, "{text}");
        serde_json::from_str::<serde_json::Value>(text.trim_end_matches(",\n")).unwrap();
    }
}
