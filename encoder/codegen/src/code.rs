//! A text builder for generated Rust that gathers fixed-size items into runs, so that each run costs one bounds check.

#[derive(Default)]
pub struct Code {
    pub text: String,
    indent: usize,
    run: Vec<(usize, String)>,
}

impl Code {
    pub fn line(&mut self, s: impl AsRef<str>) {
        self.flush();
        self.raw(s.as_ref());
    }

    /// A local that the items of the current run may use: it goes in front of the run, which goes on.
    pub fn declare(&mut self, s: impl AsRef<str>) {
        self.raw(s.as_ref());
    }

    fn raw(&mut self, s: &str) {
        if s.starts_with('}') {
            self.indent = self.indent.saturating_sub(1);
        }
        for _ in 0..self.indent {
            self.text.push_str("    ");
        }
        self.text.push_str(s);
        self.text.push('\n');
        if s.ends_with('{') {
            self.indent += 1;
        }
    }

    /// Adds a 4-byte item to the current run; `expr` is a u32.
    pub fn put32(&mut self, expr: impl Into<String>) {
        self.run.push((4, expr.into()));
    }

    /// Adds an 8-byte item to the current run; `expr` is a u64.
    pub fn put64(&mut self, expr: impl Into<String>) {
        self.run.push((8, expr.into()));
    }

    pub fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        match run.as_slice() {
            [] => {}
            [(4, e)] => self.raw(&format!("w.u32({e});")),
            [(_, e)] => self.raw(&format!("w.u64({e});")),
            _ => {
                let total: usize = run.iter().map(|(n, _)| n).sum();
                self.raw(&format!("if let Some(b) = w.run::<{total}>() {{"));
                let mut at = 0;
                for (n, e) in &run {
                    self.raw(&format!("set{}(b, {at}, {e});", n * 8));
                    at += n;
                }
                self.raw("}");
            }
        }
    }
}

/// The function that code is written for.
pub struct Scope {
    /// The struct or command that it encodes.
    pub of: String,
    locals: usize,
}

impl Scope {
    pub fn of(name: &str) -> Self {
        Self { of: name.into(), locals: 0 }
    }

    /// A name for a local, so that nested blocks don't shadow each other by accident.
    pub fn name(&mut self, stem: &str) -> String {
        self.locals += 1;
        format!("{stem}{}", self.locals)
    }
}
